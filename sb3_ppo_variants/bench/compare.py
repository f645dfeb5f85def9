"""One arm of a study against another, with the statistics of a report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from rich.markup import escape
from rich.table import Table

from sb3_ppo_variants.bench.report.numbers import fixed, interval, mean_return, p_value, quantity
from sb3_ppo_variants.bench.statistics.comparisons import LEVEL, Comparison, compare_pair, difference_interval
from sb3_ppo_variants.bench.statistics.intervals import Estimate, mean_interval
from sb3_ppo_variants.bench.statistics.power import detectable_effect
from sb3_ppo_variants.bench.statistics.scores import scores, split_runs
from sb3_ppo_variants.bench.study.keys import RETURN
from sb3_ppo_variants.bench.study.run import plain_id
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.terminal import table_of

SINGLE = (
    "This is a single comparison, not corrected for others. Whoever asks often enough finds differences that are none; "
    "the report corrects for all that it asks."
)
LOOKS = "The p does not allow for seeds that were added until it was decided; the report's p against the baseline does."


@dataclass(frozen=True)
class Pair:
    """An arm against another.

    :param metric: what is compared: ``return``, ``success`` or a key of infos
    :param arm: its name
    :param other: name of the arm that it is compared with
    :param comparison: over all environments in which both have runs
    :param counts: number of runs of both in each of these
    :param means: (arm, environment) -> mean score
    :param differences: environment -> mean score of the arm minus that of the other
    """

    metric: str
    arm: str
    other: str
    comparison: Comparison
    counts: list[tuple[int, int]]
    means: dict[tuple[str, str], Estimate]
    differences: dict[str, Estimate]


def compare_arms(study: Study, results: pd.DataFrame, arm: str, other: str, metric: str = RETURN) -> Pair:
    """Compare two arms.

    :param study: the study
    :param results: the results table of its finished runs
    :param arm: an arm
    :param other: another one
    :param metric: what is compared
    """
    found = scores(split_runs(results, metric=metric), study)
    comparison = compare_pair(found, list(study.environments), arm, other)
    shared = comparison.environments
    return Pair(
        metric=metric,
        arm=arm,
        other=other,
        comparison=comparison,
        counts=[(len(found[arm, name]), len(found[other, name])) for name in shared],
        means={(who, name): mean_interval(found[who, name]) for who in (arm, other) for name in shared},
        differences={name: difference_interval([found[arm, name]], [found[other, name]]) for name in shared},
    )


def pair_table(study: Study, pair: Pair) -> Table:
    """Make the table of the means of both arms in each environment, and of their difference."""
    table = table_of(f"{study.name}: {quantity(pair.metric)}")
    table.add_column("environment")
    for heading in (escape(pair.arm), escape(pair.other), "difference"):
        table.add_column(heading, justify="right")
    for name, difference in pair.differences.items():
        means = (mean_return(pair.means[who, name]) for who in (pair.arm, pair.other))
        table.add_row(escape(plain_id(name)), *map(escape, means), escape(mean_return(difference)))
    return table


def pair_lines(study: Study, pair: Pair) -> Iterator[str]:
    """Say which arm is better, if one is, and what holds of that."""
    found = pair.comparison
    improvement, p = interval(found.improvement), p_value(found.p_value)
    yield f"P({pair.arm} beats {pair.other}): {improvement}, p {p}. Intervals are of 95 %."
    if found.environments:
        yield _meaning(pair)
    for name in found.excluded:
        yield f"Without {plain_id(name)}, where one of both has no finished run."
    yield _sentence(pair)
    yield SINGLE
    if study.until_decided:
        yield LOOKS


def _meaning(pair: Pair) -> str:
    """What the probability is a share of."""
    several = len(pair.comparison.environments) > 1
    return (
        f"P is the share of pairs, a run of {pair.arm} and one of {pair.other}{' in the same environment' * several}, "
        f"in which that of {pair.arm} has the higher score; equal scores count as half a pair"
        f"{', and each environment counts the same' * several}."
    )


def _sentence(pair: Pair) -> str:
    found = pair.comparison
    if not found.environments:
        return "There is nothing to compare: in no environment have both a finished run."
    if math.isnan(found.p_value):
        unknown = [f"{who} in {plain_id(name)}" for (who, name), mean in pair.means.items() if math.isnan(mean.value)]
        return f"There is nothing to compare: a run of {', '.join(unknown)} has a score that is no finite number."
    if found.differs:
        better, worse = (pair.arm, pair.other) if found.improvement.value > 0.5 else (pair.other, pair.arm)
        share = fixed(max(found.improvement.value, 1 - found.improvement.value), 2)
        return f"{better} is better than {worse}: P({better} beats {worse}) is {share}."
    effect = detectable_effect(pair.counts, tests=1)
    shown = f"No difference is shown between {pair.arm} and {pair.other}, which proves no equality: "
    if math.isinf(effect):
        return shown + f"with these numbers of runs no difference gives a p of {LEVEL} with a probability of 80 %."
    return shown + (
        f"the test finds one with a probability of 80 % when it is {fixed(effect, 1)} standard deviations of a run's "
        f"score{' in every environment' if len(pair.counts) > 1 else ''}."
    )
