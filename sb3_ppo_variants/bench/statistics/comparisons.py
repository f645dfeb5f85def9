"""One arm against another: probability of improvement, a test of it, and the correction for many tests."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy import stats

from sb3_ppo_variants.bench.statistics.intervals import (
    CONFIDENCE,
    Array,
    Estimate,
    mean_interval,
    share_interval,
    trials,
)
from sb3_ppo_variants.bench.statistics.permutations import Null, null_distribution

LEVEL = 0.05

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Comparison:
    """One arm against another, in a report the baseline.

    :param improvement: probability that a run of the arm beats one of the other, with its 95 % interval
    :param p_value: of the two-sided stratified permutation test, or of :func:`.sequential_p_value`
    :param adjusted_p_value: the same after Holm's correction for all comparisons that are made with it
    :param least_p_value: the smallest p-value that these numbers of runs can give, before the correction; NaN
        where these are no numbers that were fixed before
    :param environments: environments that count: those in which both have a finished run
    :param excluded: the other environments
    """

    improvement: Estimate
    p_value: float
    adjusted_p_value: float
    least_p_value: float
    environments: list[str]
    excluded: list[str]

    @property
    def differs(self) -> bool:
        """Whether the arms differ at the 5 % level after the correction."""
        return is_shown(self.adjusted_p_value)


def compare(
    scores: Mapping[tuple[str, str], Array],
    arms: Sequence[str],
    environments: Sequence[str],
    baseline: str,
) -> dict[str, Comparison]:
    """Compare every arm with the baseline.

    :param scores: one score per run, by (arm, environment)
    :param arms: arm names
    :param environments: environment ids
    :param baseline: the arm that the others are compared with
    :return: by arm, the baseline absent
    """
    return _corrected({arm: compare_pair(scores, environments, arm, baseline) for arm in arms if arm != baseline})


def compare_pairs(
    scores: Mapping[tuple[str, str], Array], arms: Sequence[str], environments: Sequence[str]
) -> dict[tuple[str, str], Comparison]:
    """Compare every arm with every other one, with Holm's correction for all pairs.

    :param scores: one score per run, by (arm, environment)
    :param arms: arm names
    :param environments: environment ids
    :return: by (arm, later arm)
    """
    pairs = itertools.combinations(arms, 2)
    return _corrected({pair: compare_pair(scores, environments, *pair) for pair in pairs})


def compare_pair(
    scores: Mapping[tuple[str, str], Array], environments: Sequence[str], arm: str, other: str
) -> Comparison:
    """Compare an arm with another one, as a single comparison: its p-value is not corrected.

    :param scores: one score per run, by (arm, environment)
    :param environments: environment ids
    :param arm: name of an arm
    :param other: name of the arm that it is compared with
    """
    shared = [name for name in environments if (arm, name) in scores and (other, name) in scores]
    first, second = ([scores[who, name] for name in shared] for who in (arm, other))
    p_value = permutation_test(first, second)
    return Comparison(
        improvement=improvement_interval(first, second),
        p_value=p_value,
        adjusted_p_value=p_value,
        least_p_value=least_p_value(first, second),
        environments=shared,
        excluded=[name for name in environments if name not in shared],
    )


def _corrected(found: Mapping[Key, Comparison]) -> dict[Key, Comparison]:
    adjusted = holm({key: comparison.p_value for key, comparison in found.items()})
    return {key: replace(comparison, adjusted_p_value=adjusted[key]) for key, comparison in found.items()}


def difference_interval(first: Sequence[Array], second: Sequence[Array]) -> Estimate:
    """Mean of the runs of one arm minus that of another, over the tasks, with the interval of :func:`.mean_bands`.

    Without skewness it is on one task that of Welch (1947).

    :param first: per task, one score per run
    :param second: the same tasks
    """
    # The mean over twice the tasks, of which the second half counts with the other sign, is half of the difference.
    return Estimate(*(2 * bound for bound in mean_interval(*first, *(-scores for scores in second))))


def probability_of_improvement(first: Sequence[Array], second: Sequence[Array]) -> float:
    """Probability that a run of the first arm beats one of the second, mean over tasks, ties count one half.

    Mann-Whitney's U divided by the number of pairs (Agarwal et al. 2021, section 4.3).

    :param first: scores of an arm, one array of shape ``(runs,)`` per task
    :param second: scores of the other arm on the same tasks, in the same order
    :return: NaN without a task or with a score that is not a finite number
    """
    shares = [_share_won(*pair) for pair in zip(first, second, strict=True)]
    return float(np.mean(shares)) if shares else float("nan")


def _share_won(first: Array, second: Array) -> float:
    """Share of the pairs that the first wins, ties one half."""
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return float("nan")
    return float(np.mean(np.sign(first[:, None] - second) + 1) / 2)


def improvement_interval(first: Sequence[Array], second: Sequence[Array], confidence: float = CONFIDENCE) -> Estimate:
    """Probability of improvement with an interval that holds for scores of any distribution.

    It varies no more than a share of as many trials as the smaller arm has runs (Birnbaum and Klose 1957, "Bounds for
    the variance of the Mann-Whitney statistic"), and so gets the score interval of that share (Wilson 1927), which is
    never of zero width. Where the scores of both arms have the same shape it is about a quarter wider than it need be:
    it may contain 0.5 where :func:`permutation_test` finds a difference.

    :param first: scores of an arm, one array of shape ``(runs,)`` per task
    :param second: scores of the other arm on the same tasks, in the same order
    :param confidence: probability with which the interval contains the true number
    """
    least = [min(len(a), len(b)) for a, b in zip(first, second, strict=True)]
    return Estimate(*share_interval(probability_of_improvement(first, second), trials(least), confidence).tolist())


def permutation_test(first: Sequence[Array], second: Sequence[Array]) -> float:
    """Two-sided p-value of a stratified permutation test of the probability of improvement.

    The hypothesis is that on every task the runs of both arms come from one distribution: then a run's label says
    nothing, and labels may be drawn anew within each task. It needs no normal scores and no equal numbers of runs,
    and it tests the very number that is shown. The p-value is twice the share of all relabellings that are at least as
    extreme on the same side; it is exact, and with more than 53 runs an arm normal (:mod:`.permutations`).

    :param first: scores of an arm, one array of shape ``(runs,)`` per task
    :param second: scores of the other arm on the same tasks, in the same order
    :return: NaN without a task or with a score that is not a finite number
    """
    if not first or not all(np.isfinite(task).all() for task in (*first, *second)):
        return float("nan")
    null, won = relabelled(first, second)
    # The sums of the exact distribution round, and the normal one is none of these numbers of runs.
    return max(null.p_value(won), least_p_value(first, second))


def relabelled(first: Sequence[Array], second: Sequence[Array]) -> tuple[Null, int]:
    """Return the distribution of the statistic over all relabellings within tasks, and its value.

    :param first: finite scores of an arm, one array of shape ``(runs,)`` per task
    :param second: those of the other arm on the same tasks, in the same order
    """
    counts = [(len(a), len(b)) for a, b in zip(first, second, strict=True)]
    pooled = map(np.concatenate, zip(first, second, strict=True))
    ranks = [np.rint(2 * stats.rankdata(task)).astype(int).tolist() for task in pooled]
    null = null_distribution(ranks, counts)
    won = [sum(of_task[:n]) - n * (n + 1) for of_task, (n, _) in zip(ranks, counts, strict=True)]
    return null, null.statistic(won)


def least_p_value(first: Sequence[Array], second: Sequence[Array]) -> float:
    """Return the smallest p-value that :func:`permutation_test` can give with these numbers of runs.

    Two of all relabellings are as extreme as can be: that in which the first arm wins everywhere, and its mirror.
    With three runs an arm on one task there are 20 relabellings, so that no difference gives less than 0.1.

    :param first: scores of an arm, one array per task; only their lengths count
    :param second: scores of the other arm
    :return: NaN without a task
    """
    if not first:
        return math.nan
    relabellings = math.prod(math.comb(len(a) + len(b), len(a)) for a, b in zip(first, second, strict=True))
    return min(1.0, 2 / relabellings)  # of integers, which may be too large for a float


def is_shown(p_value: float) -> bool:
    """Whether a p-value is at most 0.05, the level of all tests, but for the rounding of floats.

    :param p_value: after the correction; NaN shows nothing
    """
    return p_value <= LEVEL * (1 + 1e-9)


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Adjust the p-values of several tests so that the chance of any false finding stays below their level.

    Holm 1979: sorted ascending, the i-th of m becomes the greatest of ``(m - j + 1) p_j`` for j up to i, at most 1.

    :param p_values: by name; NaN ones were not tested, do not count, and stay NaN
    """
    tested = sorted((name for name in p_values if not math.isnan(p_values[name])), key=lambda name: p_values[name])
    factors = range(len(tested), 0, -1)
    raised = [factor * p_values[name] for factor, name in zip(factors, tested, strict=True)]
    adjusted = np.minimum(np.maximum.accumulate(raised), 1.0).tolist() if tested else []
    return {**p_values, **dict(zip(tested, adjusted, strict=True))}
