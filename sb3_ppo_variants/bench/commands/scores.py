"""``ppo-bench scores``."""

from __future__ import annotations

import argparse
from typing import Any

from sb3_ppo_variants.bench.commands.common import (
    CommandError,
    add_command,
    add_study,
    folders_of,
    positive,
    say,
    working,
)


def add_parser(commands: Any) -> None:
    """Add the command to a parser."""
    text = "measure the returns that are normalised to 0 and 1, as lines for the study file"
    parser = add_command(commands, "scores", scores, text)
    add_study(parser)
    parser.add_argument("--episodes", metavar="N", type=positive, default=100, help="of random actions (default: 100)")
    parser.add_argument("--reference", metavar="ARM", help="whose mean score counts as 1 (default: the baseline)")


def scores(parsed: argparse.Namespace) -> int:
    """Print lines that can be pasted into the study file, and nothing else to the standard output."""
    from sb3_ppo_variants.bench.measure_scores import score_lines
    from sb3_ppo_variants.bench.tuning.rounds import tuned
    from sb3_ppo_variants.bench.validation import load_study

    study = load_study(parsed.study)
    reference = parsed.reference or study.baseline
    if reference not in study.arms:
        raise CommandError(f"--reference {reference}: the study has {', '.join(study.arms)}", 2)
    folders = folders_of(study, parsed)
    with working("reading the finished runs") as say_now:
        lines = score_lines(tuned(study, folders), folders, parsed.episodes, reference, say_now)
    for line in lines:
        say(line)
    return 0
