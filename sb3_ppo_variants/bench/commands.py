"""What the subcommands do."""

from __future__ import annotations

import argparse
import functools
import os
import shlex
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, closing
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sb3_ppo_variants.bench import hub_commands
from sb3_ppo_variants.bench.measure_scores import score_lines
from sb3_ppo_variants.bench.plan import make_plan, plan_lines, plan_table
from sb3_ppo_variants.bench.progress import Progress
from sb3_ppo_variants.bench.report.report import make_report
from sb3_ppo_variants.bench.runs.clusters import ClusterError, dask_executor
from sb3_ppo_variants.bench.runs.executors import ExecutorLost, local, outcomes, shard
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.provenance import MixedVersions, describe_versions, distinct, versions
from sb3_ppo_variants.bench.runs.worker import Task
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.terminal import failures, results_tables, status_table
from sb3_ppo_variants.bench.trials import TrialFailed
from sb3_ppo_variants.bench.validation import StudyMistakes, load_study, read_study

# They tell of runs that are there, on any machine.
WITHOUT_ENVIRONMENTS = ("report", "status")
MIXED_ADVICE = (
    "Finished runs were made with other package versions ({}). Use another --results folder, remove those runs, "
    "or say --allow-mixed-versions."
)


def run_command(arguments: argparse.Namespace, command: Sequence[str]) -> int:
    """Carry out a parsed command line.

    :param arguments: from the parser in :mod:`.cli`
    :param command: the command line, for provenance
    :return: exit code
    """
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False, soft_wrap=True)
    if arguments.command == "push":
        return hub_commands.push_folder(arguments, console, errors)
    path = Path(arguments.study)
    try:
        study = read_study(path) if arguments.command in WITHOUT_ENVIRONMENTS else load_study(path)
    except StudyMistakes as error:
        errors.print(f"{path} has {len(error.mistakes)} mistake(s):", markup=False)
        for mistake in error.mistakes:
            errors.print(f"  {mistake}", markup=False)
        return 2
    try:
        return _carry_out(study, arguments, shlex.join(command), console, errors)
    except (MixedVersions, ClusterError) as error:
        text = MIXED_ADVICE.format(error) if isinstance(error, MixedVersions) else str(error)
        errors.print(text, markup=False)
        return 2
    except (ExecutorLost, OSError) as error:
        errors.print(str(error), markup=False)
        return 1
    except KeyboardInterrupt:
        errors.print("Stopped. Finished runs are kept; the same command goes on with the rest.")
        return 130


def _carry_out(study: Study, arguments: argparse.Namespace, command: str, console: Console, errors: Console) -> int:
    folders = Folders(Path(arguments.results) / study.name)
    if arguments.command == "status":
        return _status(study, folders, console)
    if arguments.command == "plan":
        return _plan(study, folders, arguments, console, errors)
    if arguments.command == "scores":
        return _scores(study, folders, arguments, errors)
    if arguments.command == "card":
        return hub_commands.make_card(study, folders, arguments, console, errors)
    code = _run(study, folders, arguments, command, console) if arguments.command == "run" else 0
    if arguments.command == "run" and arguments.shard and not _complete(study, folders):
        console.print("Runs of other shards are missing: no report yet.")
        return code
    _report(study, Path(arguments.study), folders, arguments.allow_mixed_versions, console)
    return code


def _complete(study: Study, folders: Folders) -> bool:
    return all(folders.is_finished(run) for run in study.runs())


def _status(study: Study, folders: Folders, console: Console) -> int:
    console.print(status_table(study, folders))
    for line in failures(study, folders):
        console.print(line, markup=False, soft_wrap=True)
    return 0


def _plan(study: Study, folders: Folders, arguments: argparse.Namespace, console: Console, errors: Console) -> int:
    try:
        with console.status("timing short trials") as status:
            plan = make_plan(
                study,
                folders,
                calibration=not arguments.no_calibration,
                done=lambda run: status.update(escape(f"timing short trials: {run.arm} on {run.environment} done")),
            )
    except TrialFailed as error:
        errors.print(f"A trial failed, and the run would too: {error}", markup=False)
        return 1
    console.print(plan_table(study, plan))
    for line in plan_lines(study, plan, arguments.workers):
        console.print(line, markup=False, soft_wrap=True)
    return 0


def _scores(study: Study, folders: Folders, arguments: argparse.Namespace, errors: Console) -> int:
    """Print lines that can be pasted into the study file, and nothing else to the standard output."""
    if arguments.reference not in study.arms:
        errors.print(f"--reference {arguments.reference}: the study has {', '.join(study.arms)}", markup=False)
        return 2
    for line in score_lines(study, folders, arguments.episodes, arguments.reference):
        print(line)
    return 0


def _run(study: Study, folders: Folders, arguments: argparse.Namespace, command: str, console: Console) -> int:
    """Run what is missing; 1 when a run failed."""
    runs = study.runs()
    if arguments.shard:
        runs = shard(runs, *arguments.shard)
    folders.clean()
    missing = [run for run in runs if not folders.is_finished(run)]
    console.print(f"{study.name}: {len(runs)} runs, {len(runs) - len(missing)} finished before", markup=False)
    if not missing:
        return 0
    if not arguments.allow_mixed_versions:
        _refuse_other_versions(study.runs(), folders)
    # Workers elsewhere have other working directories.
    everywhere = Folders(folders.root.resolve())
    seconds = 60.0 * arguments.time_limit if arguments.time_limit else None
    tasks = [Task(run, everywhere, command, seconds, os.getcwd()) for run in missing]
    failed = 0
    try:
        with (
            _executor(arguments, len(tasks), console) as executor,
            Progress(missing, folders, console) as progress,
            closing(outcomes(executor, tasks)) as ended,
        ):
            for outcome in ended:
                progress.add(outcome)
                failed += outcome.error is not None
    finally:
        folders.clean()
    if failed:
        console.print(f"{failed} of {len(missing)} runs failed, see {folders.root / 'failed'}", markup=False)
    return 1 if failed else 0


def _executor(arguments: argparse.Namespace, tasks: int, console: Console) -> AbstractContextManager[Executor]:
    workers = min(arguments.workers, tasks)
    if arguments.executor == "dask":
        say = functools.partial(console.print, markup=False, soft_wrap=True)
        return dask_executor(arguments.scheduler, arguments.cluster or "local", workers, say)
    return local(workers)


def _refuse_other_versions(runs: Sequence[Run], folders: Folders) -> None:
    """Refuse to add runs to finished ones that they could not be compared with."""
    made_with = [folders.record(run)["provenance"]["versions"] for run in runs if folders.is_finished(run)]
    different = distinct([versions(), *made_with])
    if len(different) > 1:
        raise MixedVersions(describe_versions(different))


def _report(study: Study, path: Path, folders: Folders, allow_mixed_versions: bool, console: Console) -> None:
    with folders.locked():
        report = make_report(study, path.read_text(), folders, allow_mixed_versions)
    for table in results_tables(study, report.summary, console.width):
        console.print(table)
    console.print(f"Report: {report.page}", markup=False, soft_wrap=True)
