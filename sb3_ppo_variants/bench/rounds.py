"""The rounds of a study whose number of seeds is not fixed: which runs there have to be, by what is decided so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sb3_ppo_variants.bench.report.numbers import p_value
from sb3_ppo_variants.bench.report.sections.decisions import outcome
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.statistics.decisions import Decisions, wanted_seeds
from sb3_ppo_variants.bench.statistics.summary import decisions_of
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.stored import all_tables, missing_runs


def read_decisions(study: Study, folders: Folders) -> Decisions | None:
    """What is decided by the finished runs that lie in folders or tables; None when the number of seeds is fixed.

    :param study: the study
    :param folders: its folders
    """
    if study.until_decided is None:
        return None
    return decisions_of(all_tables(study.runs, folders, study.metrics).results, study)


def wanted_runs(study: Study, decisions: Decisions | None) -> list[Run]:
    """The runs that there have to be: all of them, or those of the round.

    :param study: the study
    :param decisions: on its arms; None when the number of seeds is fixed
    """
    seeds = wanted_seeds(study, decisions)
    return [run for run in study.runs if run.seed in seeds[run.arm]]


def rounds(study: Study, share: Sequence[Run], folders: Folders) -> Iterator[tuple[list[Run], list[Run]]]:
    """Yield the runs of each round, and those of them that are missing and have to be made before the next.

    A fixed number of seeds is one round. The iterator ends when there is nothing to decide, or when runs of the round
    belong to another share and are missing. A run is yielded once: if it fails, its arm stays open and others go on.

    :param study: the study
    :param share: those of its runs that are made here
    :param folders: its folders
    """
    tried: set[int] = set()
    while True:
        wanted = wanted_runs(study, read_decisions(study, folders))
        names = set(map(id, wanted))
        runs = [run for run in share if id(run) in names]
        missing = [run for run in missing_runs(runs, folders) if id(run) not in tried]
        if tried and not missing:
            return
        yield runs, missing
        if study.until_decided is None or not missing:
            return
        tried.update(map(id, missing))
        if any(id(run) not in tried and not folders.is_failed(run) for run in missing_runs(wanted, folders)):
            return


def decision_lines(decisions: Decisions | None) -> Iterator[str]:
    """Say what is known of each arm; nothing when the number of seeds is fixed.

    :param decisions: on the arms of a study
    """
    if decisions is None:
        return
    for arm, found in decisions.arms.items():
        p_values = f"p {p_value(found.p_value)}, {p_value(found.adjusted_p_value)} after Holm"
        yield f"{arm}: {outcome(found, decisions)} ({p_values})"
