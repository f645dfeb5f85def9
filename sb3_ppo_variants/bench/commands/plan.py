"""``ppo-bench plan``."""

from __future__ import annotations

import argparse
import math
from typing import Any

from sb3_ppo_variants.bench.commands.common import (
    CommandError,
    add_command,
    add_study,
    add_workers,
    folders_of,
    say,
    working,
)


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    text = "show what would run, how long that takes and what it can show"
    parser = add_command(commands, "plan", plan, text)
    add_study(parser)
    add_workers(parser, "as for run (default: one per core)")
    parser.add_argument(
        "--effect",
        metavar="SD",
        type=_effect,
        help="say how many seeds find a difference of so many standard deviations of a run's score",
    )
    parser.add_argument(
        "--no-calibration", action="store_true", help="time no trials; times are known of finished runs only"
    )


def plan(parsed: argparse.Namespace) -> int:
    """Show the runs of a study, their time and what they can show."""
    from rich.console import Console

    from sb3_ppo_variants.bench.plan import make_plan, plan_lines, plan_table, seeds_line, tuning_lines
    from sb3_ppo_variants.bench.trials import TrialFailed
    from sb3_ppo_variants.bench.tuning.rounds import folders_of_trials, tuned
    from sb3_ppo_variants.bench.tuning.table import read_searches
    from sb3_ppo_variants.bench.validation import load_study

    study = load_study(parsed.study)
    folders = folders_of(study, parsed)
    searches = read_searches(study, folders)
    if all(search.finished for search in searches):
        study = tuned(study, folders)
    else:
        # None of the runs is there, because their arguments are not known.
        folders = folders_of_trials(folders)
    with working("timing short trials") as say_now:
        try:
            made = make_plan(
                study,
                folders,
                calibration=not parsed.no_calibration,
                done=lambda run: say_now(f"timing short trials: {run.arm} on {run.environment} done"),
            )
        except TrialFailed as error:
            raise CommandError(f"A trial failed, and the run would too: {error}", 1) from error
    Console(highlight=False).print(plan_table(study, made))
    for line in (*tuning_lines(searches, made, parsed.workers), *plan_lines(study, made, parsed.workers)):
        say(line)
    if parsed.effect:
        with working("simulating studies"):
            line = seeds_line(study, parsed.effect)
        say(line)
    return 0


def _effect(text: str) -> float:
    try:
        effect = float(text)
    except ValueError:
        effect = math.nan
    if not 0 < effect < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of standard deviations above 0")
    return effect
