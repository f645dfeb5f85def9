"""``ppo-bench report``."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any

from sb3_ppo_variants.bench.commands.common import add_command, add_mixed_versions, add_study, folders_of, say, working

if TYPE_CHECKING:
    from sb3_ppo_variants.bench.study.study import Study

MIXED_VERSIONS = "compare runs that were made with different package versions; the report says so"


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    parser = add_command(commands, "report", report, "make the report from the runs that are finished")
    add_study(parser)
    add_mixed_versions(parser, MIXED_VERSIONS)


def report(parsed: argparse.Namespace) -> int:
    """Make the report; neither runs nor environments are made."""
    from sb3_ppo_variants.bench.tuning.rounds import tuned
    from sb3_ppo_variants.bench.validation import read_study

    study = read_study(parsed.study)
    write_report(tuned(study, folders_of(study, parsed)), parsed)
    return 0


def write_report(study: Study, parsed: argparse.Namespace) -> None:
    """Write the report of a study and show its table."""
    from rich.console import Console

    from sb3_ppo_variants.bench.report.report import make_report
    from sb3_ppo_variants.bench.terminal import results_lines, results_tables

    folders = folders_of(study, parsed)
    with working("computing intervals and drawing figures"), folders.locked():
        made = make_report(study, study.text, folders, parsed.allow_mixed_versions)
    console = Console(highlight=False)
    for summary in (made.summary, *made.further):
        for table in results_tables(study, summary, console.width):
            console.print(table)
    for line in results_lines(made.summary, shlex.join(["ppo-bench", "scores", str(parsed.study)])):
        say(line)
    for line in made.stale:
        say(line)
    for item in made.left_out:
        say(f"left out: {item}")
    say(f"Report: {made.page}")
