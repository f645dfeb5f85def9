"""What the commands share: arguments of their parsers, the folders of a study, and errors with an exit code."""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sb3_ppo_variants.bench.runs.folders import Folders
    from sb3_ppo_variants.bench.study.study import Study


class CommandError(Exception):
    """Ends a command with a message."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def add_command(
    commands: Any, name: str, function: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    """Add a command."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(function=function, error=parser.error)
    return parser


def add_study(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a study and its results."""
    parser.add_argument("study", metavar="STUDY.yaml", type=Path, help="the study file")
    parser.add_argument(
        "--results", metavar="DIR", type=Path, default="results", help="where studies are kept (default: results)"
    )


def add_workers(parser: argparse.ArgumentParser, text: str) -> None:
    """Add ``--workers``."""
    parser.add_argument("--workers", metavar="N", type=positive, default=os.cpu_count() or 1, help=text)


def add_mixed_versions(parser: argparse.ArgumentParser, text: str) -> None:
    """Add ``--allow-mixed-versions``."""
    parser.add_argument("--allow-mixed-versions", action="store_true", help=text)


def positive(text: str) -> int:
    """Read a whole number of 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def say(line: str) -> None:
    """Print a line, at once even where the output is no terminal."""
    print(line, flush=True)


def folders_of(study: Study, parsed: argparse.Namespace) -> Folders:
    """Return the folders of a study below ``--results``."""
    from sb3_ppo_variants.bench.runs.folders import Folders

    return Folders(parsed.results / study.name)


def require_hub() -> None:
    """Raise when huggingface_hub is missing."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise CommandError('This needs huggingface_hub: pip install "sb3-ppo-variants[hub]"', 2)
