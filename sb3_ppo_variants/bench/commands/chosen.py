"""Which arms a table or a figure for a paper shows, in which order and under which names."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sb3_ppo_variants.bench.commands.common import CommandError

if TYPE_CHECKING:
    from sb3_ppo_variants.bench.statistics.summary import Summary


def add_chosen(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose arms."""
    parser.add_argument("--arms", metavar="ARM", nargs="+", help="arms that are shown, in this order (default: all)")
    parser.add_argument(
        "--order",
        choices=("given", "score"),
        default="given",
        help="given: that of --arms, or of the study file; score: the greatest aggregate score first (default: given)",
    )
    parser.add_argument(
        "--labels", metavar="ARM=LABEL", nargs="+", default=[], help="what arms are called; $...$ is mathematics"
    )


def chosen(summaries: Sequence[Summary], parsed: argparse.Namespace) -> list[Summary]:
    """Choose the arms that are shown; the numbers stay those of the whole study.

    :raises CommandError: with all mistakes at once
    """
    from sb3_ppo_variants.messages import did_you_mean

    summary = summaries[0]
    arms = parsed.arms or summary.arms
    # The name of an arm may have an equals sign.
    labels = {label: [arm for arm in summary.arms if label.startswith(f"{arm}=")] for label in parsed.labels}
    known = f"; it has {', '.join(summary.arms)}"
    mistakes = [
        f"--arms {arm}: the study has no such arm{did_you_mean(arm, summary.arms)}{known}"
        for arm in dict.fromkeys(arms)
        if arm not in summary.arms
    ]
    mistakes += [f"--arms: {arm} is given twice" for arm in dict.fromkeys(arms) if arms.count(arm) > 1]
    mistakes += [
        f"--labels {text}: give an arm of the study=LABEL{known}" for text, found in labels.items() if not found
    ]
    if mistakes:
        raise CommandError("\n".join(mistakes), 2)
    named = {max(found, key=len): text for text, found in labels.items()}
    names = {**summary.labels, **{arm: text[len(arm) + 1 :] for arm, text in named.items()}}
    if parsed.order == "score":
        scores = {arm: summary.aggregates[arm].iqm.value for arm in arms}
        # One that is not known is last.
        arms = sorted(arms, key=lambda arm: (scores[arm] != scores[arm], -scores[arm]))
    return [replace(each, labels={arm: names[arm] for arm in arms}) for each in summaries]
