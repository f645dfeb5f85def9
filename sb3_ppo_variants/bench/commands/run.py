"""``ppo-bench run``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sb3_ppo_variants.bench.commands.common import (
    CommandError,
    add_command,
    add_mixed_versions,
    add_study,
    add_workers,
    folders_of,
    say,
)
from sb3_ppo_variants.bench.commands.report import MIXED_VERSIONS, write_report
from sb3_ppo_variants.bench.runs.clusters import JOB_QUEUES
from sb3_ppo_variants.imports import import_folders
from sb3_ppo_variants.messages import COMPILES, counted

if TYPE_CHECKING:
    from sb3_ppo_variants.bench.runs.folders import Folders
    from sb3_ppo_variants.bench.study.run import Run
    from sb3_ppo_variants.bench.study.study import Study

# Minutes of a time limit at most: a pipe cannot be waited for longer.
LONGEST = 30_000


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    parser = add_command(commands, "run", run, "run what is missing of a study, then report")
    add_study(parser)
    add_workers(parser, "runs at once, here or on a cluster started here (default: one per core)")
    parser.add_argument(
        "--time-limit", metavar="MINUTES", type=_minutes, help="end a run that takes longer; it counts as failed"
    )
    parser.add_argument(
        "--shard", metavar="I/N", type=_shard, help="make only share I (1 to N) of the runs, for job arrays"
    )
    parser.add_argument("--executor", choices=("local", "dask"), default="local", help="who runs (default: local)")
    cluster = parser.add_mutually_exclusive_group()
    cluster.add_argument("--scheduler", metavar="ADDRESS", help="address or scheduler file of a running dask scheduler")
    cluster.add_argument(
        "--cluster",
        choices=("local", *JOB_QUEUES),
        help="dask cluster to start for this study, configured by dask's own files (default: local)",
    )
    add_mixed_versions(parser, MIXED_VERSIONS)


def run(parsed: argparse.Namespace) -> int:
    """Run what is missing, then report; 1 when a run failed."""
    if parsed.executor != "dask" and (parsed.scheduler or parsed.cluster):
        parsed.error("--scheduler and --cluster need --executor dask")
    from sb3_ppo_variants.bench.rounds import decision_lines, read_decisions, wanted_runs
    from sb3_ppo_variants.bench.runs.executors import shard
    from sb3_ppo_variants.bench.runs.writable import check_writable
    from sb3_ppo_variants.bench.table.stored import missing_runs
    from sb3_ppo_variants.bench.validation import load_study

    study = load_study(parsed.study)
    folders = folders_of(study, parsed)
    check_writable(study.runs, folders)
    folders.clean()
    with ExitStack() as stack:
        making = _Making(parsed, stack)
        if study.tune:
            study = _tune(study, folders, making)
        share = shard(study.runs, *parsed.shard) if parsed.shard else study.runs
        made, failed = _run_rounds(study, share, folders, making)
    decisions = read_decisions(study, folders)
    for line in decision_lines(decisions):
        say(line)
    if failed:
        say(f"{failed} of {counted(made, 'run')} failed, see {folders.root / 'failed'}")
    open_runs = missing_runs(wanted_runs(study, decisions), folders) if parsed.shard else []
    if not all(map(folders.is_failed, open_runs)):
        say("Runs of other shards are missing: no report yet.")
    else:
        write_report(study, parsed)
    return 1 if failed else 0


def _tune(study: Study, folders: Folders, making: _Making) -> Study:
    """Make the trials that are missing, and return the study with the best arguments."""
    from sb3_ppo_variants.bench.tuning.rounds import (
        distinct_runs,
        folders_of_trials,
        known_batches,
        open_batches,
        tuned,
        tuning_rounds,
    )
    from sb3_ppo_variants.bench.tuning.search import known_trials
    from sb3_ppo_variants.bench.tuning.table import read_searches

    batches = open_batches(study, folders)
    if making.parsed.shard and batches:
        raise CommandError(
            "--shard is for the runs of the study, whose arguments are not known before it is tuned: run once "
            "without --shard, or with --executor dask, until the trials are made.",
            2,
        )
    trials = folders_of_trials(folders)
    trials.clean()
    if batches:
        making.check_versions(distinct_runs([*known_batches(study, folders), *batches]), trials)
    # Trackers would show the few runs of the study among all that was tried.
    untracked = study.model_copy(update={"trackers": ()})
    for runs, missing in tuning_rounds(study, folders):
        found = read_searches(study, folders)
        say(f"{study.name}, tuning: {known_trials(found)} are known; {_counted(runs, missing)} in this round")
        making.make(untracked, missing, trials, len(found) * found[0].tune.trials * found[0].tune.seeds)
    say(f"{study.name}, tuning: {known_trials(read_searches(study, folders))} are known")
    return tuned(study, folders)


def _run_rounds(study: Study, share: list[Run], folders: Folders, making: _Making) -> tuple[int, int]:
    """Make what is missing of a share round by round; return how many runs were tried and how many failed."""
    from sb3_ppo_variants.bench.rounds import rounds
    from sb3_ppo_variants.bench.table.stored import missing_runs

    made = failed = 0
    for runs, missing in rounds(study, share, folders):
        say(f"{study.name}: {_counted(runs, missing)}")
        if missing and not made:
            making.check_versions(study.runs, folders)
        failed += making.make(study, missing, folders, len(missing_runs(share, folders)))
        made += len(missing)
    return made, failed


def _counted(runs: Sequence[Run], missing: Sequence[Run]) -> str:
    return f"{counted(len(runs), 'run')}, {len(runs) - len(missing)} finished before, {len(missing)} to make"


@dataclass
class _Making:
    """Makes runs, with one executor for all rounds.

    :param parsed: says with which
    :param stack: that ends the executor
    """

    parsed: argparse.Namespace
    stack: ExitStack
    executor: Executor | None = None

    def check_versions(self, runs: Sequence[Run], folders: Folders) -> None:
        """Refuse to make runs that could not be compared with finished ones."""
        if not self.parsed.allow_mixed_versions:
            _refuse_other_versions(runs, folders)

    def make(self, study: Study, missing: list[Run], folders: Folders, at_most: int) -> int:
        """Make runs and return how many failed.

        :param at_most: runs of this and all later rounds, and so the most workers
        """
        if not missing:
            return 0
        if self.executor is None and any(run.arguments.get("compile") for run in missing):
            say(COMPILES)
        if self.executor is None:
            self.executor = self.stack.enter_context(_executor(self.parsed, at_most))
        return _run_missing(study, missing, folders, self.parsed, self.executor)


def _run_missing(
    study: Study, missing: list[Run], folders: Folders, parsed: argparse.Namespace, executor: Executor
) -> int:
    """Make runs and return how many failed."""
    from rich.console import Console

    from sb3_ppo_variants.bench.progress import Progress
    from sb3_ppo_variants.bench.runs.executors import outcomes
    from sb3_ppo_variants.bench.runs.folders import Folders
    from sb3_ppo_variants.bench.runs.longer import shorter_runs
    from sb3_ppo_variants.bench.runs.provenance import versions
    from sb3_ppo_variants.bench.runs.tracking import Tracking
    from sb3_ppo_variants.bench.runs.worker import Job

    # Workers elsewhere have other working directories.
    everywhere = Folders(folders.root.resolve())
    seconds = 60.0 * parsed.time_limit if parsed.time_limit else None
    tracking = Tracking(study.trackers, study.name, everywhere.root)
    # Once for all runs: each looks at every folder of its arm.
    shorter = shorter_runs(missing, everywhere)
    jobs = [
        Job(
            run,
            everywhere,
            parsed.command_line,
            time_limit=seconds,
            import_folders=import_folders(parsed.study),
            checkpoint=study.checkpoint,
            tracking=tracking,
            shorter=shorter.get(run.identity),
            versions=None if parsed.allow_mixed_versions else versions(),
        )
        for run in missing
    ]
    try:
        with (
            Progress(missing, folders, Console(highlight=False)) as progress,
            closing(outcomes(executor, jobs)) as ended,
        ):
            for outcome in ended:
                progress.add(outcome)
            return progress.failed
    finally:
        folders.clean()


def _executor(parsed: argparse.Namespace, jobs: int) -> AbstractContextManager[Executor]:
    from sb3_ppo_variants.bench.runs.clusters import dask_executor
    from sb3_ppo_variants.bench.runs.executors import local

    workers = min(parsed.workers, jobs)
    if parsed.executor == "dask":
        return dask_executor(parsed.scheduler, parsed.cluster or "local", workers, say)
    return local(workers)


def _refuse_other_versions(runs: Sequence[Run], folders: Folders) -> None:
    """Refuse to add runs to finished ones that they could not be compared with."""
    from sb3_ppo_variants.bench.runs.provenance import MixedVersions, describe_versions, distinct, versions
    from sb3_ppo_variants.bench.runs.whole import whole_runs
    from sb3_ppo_variants.bench.table.stored import stored_runs

    finished = [*whole_runs(runs, folders)[0], *stored_runs(runs, folders)]
    made_with = [record["provenance"]["versions"] for _, record in finished]
    different = distinct([versions(), *made_with])
    if len(different) > 1:
        raise MixedVersions(describe_versions(different))


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = float("nan")
    if not 0 < minutes <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes above 0, {LONGEST} at most (three weeks)")
    return minutes


def _shard(text: str) -> tuple[int, int]:
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text} is not I/N with I from 1 to N")
    return int(index), int(count)
