"""What the subcommands do."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from sb3_ppo_variants.bench.executors import Task, local, outcomes
from sb3_ppo_variants.bench.folders import Folders
from sb3_ppo_variants.bench.progress import Progress
from sb3_ppo_variants.bench.provenance import versions
from sb3_ppo_variants.bench.report import MixedVersions, describe_versions, distinct, make_report
from sb3_ppo_variants.bench.run import Run
from sb3_ppo_variants.bench.study import Study
from sb3_ppo_variants.bench.terminal import failures, results_table, status_table
from sb3_ppo_variants.bench.validation import StudyMistakes, load_study

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
    path = Path(arguments.study)
    try:
        study = load_study(path)
    except StudyMistakes as error:
        errors.print(f"{path} has {len(error.mistakes)} mistake(s):", markup=False)
        for mistake in error.mistakes:
            errors.print(f"  {mistake}", markup=False)
        return 2
    folders = Folders(Path(arguments.results) / study.name)
    if arguments.command == "status":
        console.print(status_table(study, folders))
        for line in failures(study, folders):
            console.print(line, markup=False, soft_wrap=True)
        return 0
    code = 0
    if arguments.command == "run":
        try:
            code = _run(study, folders, arguments, shlex.join(command), console)
        except MixedVersions as error:
            errors.print(MIXED_ADVICE.format(error), markup=False)
            return 2
        except KeyboardInterrupt:
            errors.print("Stopped. Finished runs are kept; the same command goes on with the rest.")
            return 130
    return _report(study, path, folders, arguments.allow_mixed_versions, console, errors) or code


def _run(study: Study, folders: Folders, arguments: argparse.Namespace, command: str, console: Console) -> int:
    """Run what is missing; 1 when a run failed."""
    runs = study.runs()
    folders.clean()
    missing = [run for run in runs if not folders.finished(run).is_dir()]
    console.print(f"{study.name}: {len(runs)} runs, {len(runs) - len(missing)} finished before", markup=False)
    if not missing:
        return 0
    if not arguments.allow_mixed_versions:
        _refuse_other_versions(runs, folders)
    tasks = [Task(run, folders, command) for run in missing]
    workers = min(arguments.workers, len(tasks))
    failed = 0
    try:
        with Progress(missing, folders, console) as progress:
            for outcome in outcomes(partial(local, workers), tasks, at_once=workers):
                progress.add(outcome)
                failed += outcome.error is not None
    finally:
        folders.clean()
    if failed:
        console.print(f"{failed} of {len(missing)} runs failed, see {folders.root / 'failed'}", markup=False)
    return 1 if failed else 0


def _refuse_other_versions(runs: Sequence[Run], folders: Folders) -> None:
    """Refuse to add runs to finished ones that they could not be compared with."""
    finished = [folders.finished(run) / "run.json" for run in runs if folders.finished(run).is_dir()]
    made_with = [json.loads(path.read_text())["provenance"]["versions"] for path in finished]
    different = distinct([versions(), *made_with])
    if len(different) > 1:
        raise MixedVersions(describe_versions(different))


def _report(
    study: Study, path: Path, folders: Folders, allow_mixed_versions: bool, console: Console, errors: Console
) -> int:
    try:
        report = make_report(study, path.read_text(), folders, allow_mixed_versions)
    except MixedVersions as error:
        errors.print(MIXED_ADVICE.format(error), markup=False)
        return 2
    except FileNotFoundError as error:
        errors.print(str(error), markup=False)
        return 1
    console.print(results_table(study, report.summary))
    console.print(f"Report: {report.page}", markup=False, soft_wrap=True)
    return 0
