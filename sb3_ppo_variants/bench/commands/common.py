"""What the commands share: arguments of their parsers, the folders of a study, and errors with an exit code."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sb3_ppo_variants.bench.runs.folders import Folders
    from sb3_ppo_variants.bench.study.run import Run
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


def add_run(parser: argparse.ArgumentParser, seed: str) -> None:
    """Add the arguments that name one run.

    :param seed: which seed is the default
    """
    parser.add_argument("--arm", required=True, help="the arm")
    parser.add_argument("--environment", required=True, help="the environment")
    parser.add_argument("--seed", metavar="N", type=_seed, help=f"the seed (default: {seed})")


def add_workers(parser: argparse.ArgumentParser, text: str) -> None:
    """Add ``--workers``."""
    parser.add_argument("--workers", metavar="N", type=positive, default=os.cpu_count() or 1, help=text)


def add_mixed_versions(parser: argparse.ArgumentParser, text: str) -> None:
    """Add ``--allow-mixed-versions``."""
    parser.add_argument("--allow-mixed-versions", action="store_true", help=text)


def positive(text: str) -> int:
    """Read a whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of 1 or more")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of 0 or more")
    return int(text)


def check_suffix(path: Path | None, suffixes: Collection[str], content: str) -> None:
    """Check that the name of ``-o`` ends as its content does, so that no file has another format than it says.

    :param path: that of the option
    :param suffixes: those that fit
    :param content: what is written, such as ``a figure is written as PDF``
    """
    if path is not None and path.suffix.lower() not in suffixes:
        raise CommandError(f"-o {path}: {content}; give a name that ends in {' or '.join(suffixes)}", 2)


def say(line: str) -> None:
    """Print a line, at once even where the output is no terminal."""
    print(line, flush=True)


@contextlib.contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """Say in a terminal, beside a moving sign, what takes long within the block; nothing elsewhere.

    :param text: what is being done
    :return: a function to say something else
    """
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True, highlight=False).status(escape(text)) as status:
        yield lambda now: status.update(escape(now))


def folders_of(study: Study, parsed: argparse.Namespace) -> Folders:
    """Return the folders of a study below ``--results``."""
    from sb3_ppo_variants.bench.runs.folders import Folders

    return Folders(parsed.results / study.name)


def require(package: str, extra: str) -> None:
    """Raise when a package of an extra is missing."""
    if importlib.util.find_spec(package) is None:
        raise CommandError(f'This needs {package}: pip install "sb3-ppo-variants[{extra}]"', 2)


def check_named(study: Study, parsed: argparse.Namespace) -> None:
    """Check that the study has what the options of :func:`add_run` name."""
    for option, value, choices in (
        ("--arm", parsed.arm, study.arms),
        ("--environment", parsed.environment, study.environments),
        ("--seed", parsed.seed, study.seeds),
    ):
        if value is not None and value not in choices:
            raise CommandError(f"{option} {value}: the study has {', '.join(map(str, choices))}", 2)


def finished_folder(run: Run, folders: Folders) -> Path:
    """Return the folder of a finished run, all of whose files are as the run left them."""
    from sb3_ppo_variants.bench.runs.record import NotWhole, read_record

    folder = folders.finished(run)
    if not folders.is_finished(run):
        raise CommandError(f"{folder} does not exist: the run is not finished", 2)
    try:
        read_record(run, folder, thorough=True)
    except NotWhole as error:
        raise CommandError(f"{folder}: {error}", 1) from error
    return folder
