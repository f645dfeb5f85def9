"""The command ``ppo-bench``."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from sb3_ppo_variants.bench.commands import (
    card,
    compare,
    figure,
    merge,
    plan,
    push,
    report,
    run,
    scores,
    status,
    table,
    video,
    watch,
)
from sb3_ppo_variants.bench.commands.common import CommandError
from sb3_ppo_variants.imports import import_folders, look_in
from sb3_ppo_variants.messages import counted

COMMANDS = (run, status, watch, report, compare, table, figure, plan, scores, video, card, push, merge)
REQUIRED = ("pydantic", "yaml", "rich", "scipy", "pandas", "matplotlib", "jinja2")
MIXED_ADVICE = (
    "Finished runs were made with other package versions ({}). Use another --results folder, remove those runs, "
    "or say --allow-mixed-versions."
)
DAMAGED_ADVICE = (
    "Runs without a folder may be finished in them: restore results.csv and the tables beside it. Without "
    "records.json.gz the folders alone count, and the runs that they lack are made again."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    :param arguments: command line arguments, those of the process by default
    :return: 0; 1 when a run failed; 2 when the study, the call or the installation is wrong; 130 after Ctrl-C
    """
    parsed = _parser().parse_args(arguments)
    parsed.command_line = shlex.join(["ppo-bench", *(sys.argv[1:] if arguments is None else arguments)])
    missing = [name for name in REQUIRED if importlib.util.find_spec(name) is None]
    try:
        if missing:
            raise CommandError(f'ppo-bench needs {", ".join(missing)}: pip install "sb3-ppo-variants[bench]"', 2)
        with _plain_warnings():
            return _call(parsed)
    except CommandError as error:
        print(error, file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("Stopped. Finished runs are kept; the same command goes on with the rest.", file=sys.stderr)
        return 130


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print warnings as lines: they are about the study, and the line of code that Python adds is not the user's."""
    formatwarning = warnings.formatwarning

    def plain(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> str:
        return f"Warning: {message}\n" if category is UserWarning else formatwarning(message, category, *place, **more)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = formatwarning


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ppo-bench", description="Compare PPO variants with stock PPO: one YAML file, one report."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def _call(parsed: argparse.Namespace) -> int:
    """Call the function of a command, and turn the errors that a user can do something about into messages."""
    from sb3_ppo_variants.bench.runs.clusters import ClusterError
    from sb3_ppo_variants.bench.runs.executors import ExecutorLost
    from sb3_ppo_variants.bench.runs.provenance import MixedVersions
    from sb3_ppo_variants.bench.runs.writable import NotWritable
    from sb3_ppo_variants.bench.table.files import DamagedTables
    from sb3_ppo_variants.bench.tuning.table import NotTuned
    from sb3_ppo_variants.bench.validation import StudyMistakes

    if "study" in parsed:
        look_in(import_folders(parsed.study))
    try:
        return int(parsed.function(parsed))
    except StudyMistakes as error:
        heading = f"{parsed.study} has {counted(len(error.mistakes), 'mistake')}:"
        raise CommandError("\n  ".join([heading, *error.mistakes]), 2) from error
    except MixedVersions as error:
        raise CommandError(MIXED_ADVICE.format(error), 2) from error
    except (ClusterError, NotWritable) as error:
        raise CommandError(str(error), 2) from error
    except DamagedTables as error:
        raise CommandError(f"{error}. {DAMAGED_ADVICE}", 1) from error
    except (ExecutorLost, NotTuned, OSError) as error:
        raise CommandError(str(error), 1) from error
