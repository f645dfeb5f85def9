"""``ppo-bench watch``."""

from __future__ import annotations

import argparse
import contextlib
import time
from typing import Any

from sb3_ppo_variants.bench.commands.common import add_command, add_study, folders_of, require

# From one look at the files to the next, in seconds; runs say how far they are as often.
PAUSE = 2.0


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    text = "watch the runs that are being made, here or elsewhere, until Ctrl-C or until nothing is missing"
    add_study(add_command(commands, "watch", watch, text))


def watch(parsed: argparse.Namespace) -> int:
    """Show how far a study is: live in a terminal, once elsewhere. Ctrl-C is its usual end."""
    with contextlib.suppress(KeyboardInterrupt):
        _watch(parsed)
    return 0


def _watch(parsed: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.live import Live

    from sb3_ppo_variants.bench.snapshots import Watcher
    from sb3_ppo_variants.bench.validation import read_study
    from sb3_ppo_variants.bench.watch import view

    study = read_study(parsed.study)
    if study.tune:
        require("optuna", "tune")
    watcher = Watcher(study, folders_of(study, parsed))
    console = Console(highlight=False)
    snapshot = watcher.snapshot()
    if not console.is_terminal:
        console.print(view(snapshot))
        return
    with Live(view(snapshot), console=console, auto_refresh=False) as live:
        while not snapshot.ended:
            time.sleep(PAUSE)
            snapshot = watcher.snapshot()
            live.update(view(snapshot), refresh=True)
