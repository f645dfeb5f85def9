"""``ppo-bench status``."""

from __future__ import annotations

import argparse
from typing import Any

from sb3_ppo_variants.bench.commands.common import add_command, add_study, folders_of, say


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    add_study(add_command(commands, "status", status, "show what is finished, stale, failed and missing"))


def status(parsed: argparse.Namespace) -> int:
    """Show the state of the runs, and why runs failed."""
    from rich.console import Console

    from sb3_ppo_variants.bench.terminal import failures, status_table
    from sb3_ppo_variants.bench.validation import read_study

    study = read_study(parsed.study)
    folders = folders_of(study, parsed)
    console = Console(highlight=False)
    console.print(status_table(study, folders))
    for line in failures(study, folders):
        say(line)
    return 0
