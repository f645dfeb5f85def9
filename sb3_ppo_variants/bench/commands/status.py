"""``ppo-bench status``."""

from __future__ import annotations

import argparse
from typing import Any

from sb3_ppo_variants.bench.commands.common import add_command, add_study, folders_of, say


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    add_study(
        add_command(commands, "status", status, "show what is finished, running, failed, missing, stale and damaged")
    )


def status(parsed: argparse.Namespace) -> int:
    """Show the state of the runs, and why runs failed."""
    from rich.console import Console

    from sb3_ppo_variants.bench.status import status as status_of
    from sb3_ppo_variants.bench.terminal import tuning_table
    from sb3_ppo_variants.bench.tuning.rounds import folders_of_trials, tuned
    from sb3_ppo_variants.bench.tuning.table import NotTuned, read_searches
    from sb3_ppo_variants.bench.validation import read_study

    study = read_study(parsed.study)
    folders, console = folders_of(study, parsed), Console(highlight=False)
    if searches := read_searches(study, folders):
        console.print(tuning_table(searches))
        if any(trial.failed for search in searches for trial in search.trials):
            say(f"Why runs of trials failed: {folders_of_trials(folders).root / 'failed'}")
    try:
        study = tuned(study, folders)
    except NotTuned as error:
        say(str(error))
        return 0
    table, lines = status_of(study, folders, console.width)
    console.print(table)
    for line in lines:
        say(line)
    return 0
