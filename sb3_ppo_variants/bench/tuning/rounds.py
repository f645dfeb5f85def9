"""The rounds of a tuning: which runs the next trials of all searches are, and what is known after them."""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sb3_ppo_variants.bench.runs.folders import OUTSIDE, Folders, label, raised
from sb3_ppo_variants.bench.runs.whole import whole_runs
from sb3_ppo_variants.bench.statistics.scores import known_returns, run_score
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.table import collect
from sb3_ppo_variants.bench.tuning.search import Search, Trial, known_trials
from sb3_ppo_variants.bench.tuning.table import NotTuned, read_searches, write_searches
from sb3_ppo_variants.messages import counted

# Times that a run is made before it has failed for good.
ATTEMPTS = 2


@dataclass(frozen=True)
class Batch:
    """The trials of a search that are next.

    :param search: the search
    :param arguments: of each trial
    """

    search: Search
    arguments: list[dict[str, Any]]

    @property
    def runs(self) -> list[Run]:
        """The runs of all trials."""
        return [run for arguments in self.arguments for run in self.search.runs(arguments)]


def folders_of_trials(folders: Folders) -> Folders:
    """Where the runs of the trials of a study lie.

    :param folders: of the study
    """
    return Folders(folders.root / "tuning")


def open_batches(study: Study, folders: Folders) -> list[Batch]:
    """The next trials of each search that is not finished.

    :param study: as its file says
    :param folders: its folders
    :raises NotTuned: when ``trials.csv`` is damaged
    """
    from sb3_ppo_variants.bench.tuning.sampler import next_arguments

    return [Batch(each, next_arguments(each)) for each in read_searches(study, folders) if not each.finished]


def distinct_runs(batches: Sequence[Batch]) -> list[Run]:
    """The runs of trials; two trials with equal arguments share theirs.

    :param batches: the trials
    """
    return list({label(run): run for batch in batches for run in batch.runs}.values())


def known_batches(study: Study, folders: Folders) -> list[Batch]:
    """The trials of each search that are known.

    :param study: as its file says
    :param folders: its folders
    :raises NotTuned: when ``trials.csv`` is damaged
    """
    return [Batch(each, [trial.arguments for trial in each.trials]) for each in read_searches(study, folders)]


def tuning_rounds(study: Study, folders: Folders) -> Iterator[tuple[list[Run], list[Run]]]:
    """Yield the runs of each round, and those of them that are missing and have to be made before the next.

    A round is the next batch of every search. What is next is a function of the trials that are known alone. Runs that
    fail are yielded once more before their trial is a failed one: they may have been killed. Where all runs of a round
    fail, they have to raise errors of their own, and to have done so in an earlier command as well, or just after a
    round that was made here and did not fail as a whole.

    :param study: as its file says
    :param folders: its folders
    :raises NotTuned: when ``trials.csv`` is damaged, or the runs of a round say nothing
    """
    from sb3_ppo_variants.bench.tuning.sampler import write_journal

    trial_folders, works = folders_of_trials(folders), False
    while batches := open_batches(study, folders):
        runs = distinct_runs(batches)
        missing = to_make = _unfinished(runs, trial_folders)
        known = works or _have_raised(runs, trial_folders)
        for _ in range(ATTEMPTS):
            yield runs, missing
            missing = _unfinished(runs, trial_folders)
            if not missing:
                break
        _check_ended(runs, trial_folders, known)
        works = len(missing) < len(to_make)
        write_searches([_with_scores(batch, trial_folders) for batch in batches], folders)
        with folders.locked():
            write_journal(read_searches(study, folders), trial_folders.root / "journal.log")


def tuned(study: Study, folders: Folders) -> Study:
    """The study with the best arguments of its searches; the study itself without ``tune``.

    :param study: as its file says
    :param folders: its folders
    :raises NotTuned: when a search is not finished, or all of its trials failed
    """
    found = read_searches(study, folders)
    if not found:
        return study
    if not all(search.finished for search in found):
        raise NotTuned(
            f"{study.name} is not tuned yet: {known_trials(found)} are known. ppo-bench run goes on with them, and "
            "then makes the runs of the study."
        )
    best = {(search.arm, search.environment): search.best for search in found}
    for (arm, environment), trial in best.items():
        if trial is None:
            raise NotTuned(
                f"All trials of {arm} on {environment} failed, see {folders_of_trials(folders).root / 'failed'}: "
                "change what tune may try"
            )
    return study.with_arguments({key: trial.arguments for key, trial in best.items() if trial is not None})


def _unfinished(runs: Sequence[Run], folders: Folders) -> list[Run]:
    return [run for run in runs if not folders.is_finished(run)]


def _have_raised(runs: Sequence[Run], folders: Folders) -> bool:
    """Whether all of some runs have failed by errors that arguments may be the reason of."""
    return all(folders.is_failed(run) and _is_own(raised(folders.reason(run))) for run in runs)


def _is_own(reason: str) -> bool:
    """Whether a run has raised an error by itself: it was not killed or stopped, and lacked no file, module or memory.

    :param reason: the last line of a traceback, or a sentence
    """
    name = reason.partition(":")[0]
    error = getattr(builtins, name, None)
    outside = isinstance(error, type) and issubclass(error, OUTSIDE)
    return name.replace(".", "_").isidentifier() and not outside


def _check_ended(runs: Sequence[Run], folders: Folders, known: bool) -> None:
    """Check that the runs of a round say something about its trials.

    A full disk or a lost cluster is no reason to think ill of all arguments that were tried then.

    :param known: whether they count when all of them raise errors
    """
    unfinished = _unfinished(runs, folders)
    failed = [run for run in unfinished if folders.is_failed(run)]
    if len(failed) < len(unfinished):
        raise NotTuned(
            f"{counted(len(unfinished) - len(failed), 'run')} could not be made, so that no trial of this round "
            "counts. The same command makes what is missing."
        )
    if damaged := whole_runs(runs, folders)[1]:
        raise NotTuned(f"{damaged[0]}. Remove the folder; the same command makes the run again.")
    if len(failed) == len(runs) and not (known and _have_raised(runs, folders)):
        raise NotTuned(
            f"All {len(runs)} runs of the round failed, so that none of its trials counts. The same command makes them "
            f"again. {failed[0].arm} on {failed[0].environment}: {raised(folders.reason(failed[0]))}"
        )


def _with_scores(batch: Batch, folders: Folders) -> Search:
    """The search with the trials of a batch whose runs have ended."""
    search = batch.search
    trials = [
        Trial(number, arguments, tuple(_score(search, run, folders) for run in search.runs(arguments)))
        for number, arguments in enumerate(batch.arguments, start=len(search.trials))
    ]
    return replace(search, trials=(*search.trials, *trials))


def _score(search: Search, run: Run, folders: Folders) -> float:
    rows = known_returns(collect([run], folders).results)
    if rows.empty:
        return math.nan
    of_all = search.tune.metric == "area"
    return run_score(rows, len(rows) if of_all else search.study.judged(search.environment).last)
