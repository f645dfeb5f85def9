"""What ``ppo-bench card`` and ``ppo-bench push`` do; they alone need huggingface_hub."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from rich.console import Console

from sb3_ppo_variants.bench.report.report import make_report
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study

NEEDS_HUB = 'This needs huggingface_hub: pip install "sb3-ppo-variants[hub]"'


def make_card(study: Study, folders: Folders, arguments: argparse.Namespace, console: Console, errors: Console) -> int:
    """Make the report anew, and from it the folder for the Hub.

    :param study: the study
    :param folders: where its runs lie
    :param arguments: of the command line
    :param console: standard output
    :param errors: standard error
    :return: exit code
    """
    mistake = _mistake(study, folders, arguments)
    if mistake is not None:
        errors.print(mistake, markup=False)
        return 2
    from sb3_ppo_variants.bench.hub import export

    with folders.locked():
        report = make_report(study, Path(arguments.study).read_text(), folders, arguments.allow_mixed_versions)
        run = _named_run(study, arguments)
        made = export(study, report, folders, run, arguments.episodes, Path(arguments.output))
    console.print(f"Made {made}", markup=False, soft_wrap=True)
    return 0


def push_folder(arguments: argparse.Namespace, console: Console, errors: Console) -> int:
    """Upload a folder.

    :param arguments: of the command line
    :param console: standard output
    :param errors: standard error
    :return: exit code
    """
    if not _has_hub():
        errors.print(NEEDS_HUB, markup=False)
        return 2
    from sb3_ppo_variants.bench.hub import NotUploaded, push

    try:
        address = push(Path(arguments.folder), arguments.repository, arguments.private)
    except FileNotFoundError as error:
        errors.print(str(error), markup=False)
        return 2
    except NotUploaded as error:
        errors.print(f"Not uploaded: {error}", markup=False)
        return 1
    console.print(f"Uploaded to {address}", markup=False, soft_wrap=True)
    return 0


def _has_hub() -> bool:
    return importlib.util.find_spec("huggingface_hub") is not None


def _named_run(study: Study, arguments: argparse.Namespace) -> Run:
    return study.run(arguments.arm, arguments.environment, _seed(study, arguments))


def _seed(study: Study, arguments: argparse.Namespace) -> int:
    return study.seeds[0] if arguments.seed is None else int(arguments.seed)


def _mistake(study: Study, folders: Folders, arguments: argparse.Namespace) -> str | None:
    """What is wrong with the call."""
    if not _has_hub():
        return NEEDS_HUB
    seed = _seed(study, arguments)
    given = [
        ("--arm", arguments.arm, list(study.arms)),
        ("--environment", arguments.environment, list(study.environments)),
        ("--seed", str(seed), [str(known) for known in study.seeds]),
    ]
    for option, value, known in given:
        if value not in known:
            return f"{option} {value}: the study has {', '.join(known)}"
    folder = folders.finished(_named_run(study, arguments))
    return None if folder.is_dir() else f"{folder} does not exist: the run is not finished"
