"""``ppo-bench merge``."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from sb3_ppo_variants.bench.commands.common import CommandError, add_command, say


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    text = "copy the finished runs of a study from the folders of several machines into one"
    parser = add_command(commands, "merge", merge, text)
    parser.add_argument(
        "folders", metavar="FOLDER", type=Path, nargs="+", help="the folder of the study, such as results/mine"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        type=Path,
        required=True,
        help="the folder to copy into; it may have runs already",
    )


def merge(parsed: argparse.Namespace) -> int:
    """Merge folders that agree, and say what was merged."""
    from sb3_ppo_variants.bench.merge import Contradictions
    from sb3_ppo_variants.bench.merge import merge as merge_folders

    try:
        merged = merge_folders(parsed.folders, parsed.output)
    except Contradictions as error:
        raise CommandError(str(error), 2) from error
    for item in merged.left_out:
        say(f"left out: {item}")
    for note in merged.notes:
        say(note)
    say(f"{parsed.output} has {merged.copied + merged.kept} runs: {merged.copied} copied, {merged.kept} there before")
    say(_next(parsed.output))
    return 0


def _next(folder: Path) -> str:
    """Say what makes the report of the folder; a folder of runs does not have the path of the study file."""
    root = folder.resolve()
    results = shlex.quote(str(folder.parent if root.name == folder.name else root.parent))
    return (
        f"Next: ppo-bench report STUDY.yaml --results {results}, with the study file of these runs, "
        f"whose name has to be {root.name}"
    )
