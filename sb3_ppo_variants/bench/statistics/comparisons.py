"""One arm against another: probability of improvement, a test of it, and the correction for many tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from sb3_ppo_variants.bench.statistics.intervals import Array, Estimate, bootstrap

PERMUTATIONS = 9_999
LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """One arm against the baseline.

    :param improvement: probability that a run of the arm beats one of the baseline, with its 95 % interval
    :param p_value: of the two-sided stratified permutation test
    :param adjusted_p_value: the same after Holm's correction for all arms of the study
    :param least_p_value: the smallest p-value that these numbers of runs can give, before the correction
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
        """Whether the arm differs from the baseline at the 5 % level after the correction."""
        return self.adjusted_p_value <= LEVEL


def compare(
    scores: Mapping[tuple[str, str], Array],
    arms: Sequence[str],
    environments: Sequence[str],
    baseline: str,
    resamples: int,
    seed: int,
) -> dict[str, Comparison]:
    """Compare every arm with the baseline.

    :param scores: one score per run, by (arm, environment)
    :param arms: arm names
    :param environments: environment ids
    :param baseline: the arm that the others are compared with
    :param resamples: number of resamples of the intervals
    :param seed: seed of the intervals and of the tests
    :return: by arm, the baseline absent
    """
    found = {}
    for arm in (name for name in arms if name != baseline):
        shared = [name for name in environments if (arm, name) in scores and (baseline, name) in scores]
        first, second = ([scores[who, name] for name in shared] for who in (arm, baseline))
        found[arm] = Comparison(
            improvement=improvement_interval(first, second, resamples, seed),
            p_value=permutation_test(first, second, seed),
            adjusted_p_value=float("nan"),
            least_p_value=least_p_value(first, second),
            environments=shared,
            excluded=[name for name in environments if name not in shared],
        )
    adjusted = holm({arm: comparison.p_value for arm, comparison in found.items()})
    return {arm: replace(comparison, adjusted_p_value=adjusted[arm]) for arm, comparison in found.items()}


def probability_of_improvement(*tasks: Array, axis: int = -1) -> Any:
    """Probability that a run of the first arm beats one of the second, mean over tasks, ties count one half.

    Mann-Whitney's U divided by the number of pairs (Agarwal et al. 2021, section 4.3).

    :param tasks: the first arm's scores for each task, then the second arm's in the same order
    :param axis: axis of the runs
    """
    half = len(tasks) // 2
    moved = [np.moveaxis(np.asarray(task, dtype=np.float64), axis, -1) for task in tasks]
    return np.mean([_share_won(*pair) for pair in zip(moved[:half], moved[half:], strict=True)], axis=0)


def _share_won(first: Array, second: Array) -> Any:
    """Share of the pairs that the first wins, ties one half; NaN where a score is not a number."""
    one, other = first[..., :, None], second[..., None, :]
    won = np.sum(one > other, axis=(-2, -1)) + 0.5 * np.sum(one == other, axis=(-2, -1))
    unknown = np.isnan(first).any(axis=-1) | np.isnan(second).any(axis=-1)
    return np.where(unknown, np.nan, won / (first.shape[-1] * second.shape[-1]))


def improvement_interval(first: Sequence[Array], second: Sequence[Array], resamples: int, seed: int) -> Estimate:
    """Probability of improvement with a stratified bootstrap interval: each arm's runs of each task are resampled.

    :param first: scores of an arm, one array of shape ``(runs,)`` per task
    :param second: scores of the other arm on the same tasks, in the same order
    :param resamples: number of resamples
    :param seed: seed of the resampling
    """
    return bootstrap([*first, *second], probability_of_improvement, resamples, seed)


def permutation_test(first: Sequence[Array], second: Sequence[Array], seed: int) -> float:
    """Two-sided p-value of a stratified permutation test of the probability of improvement.

    The hypothesis is that on every task the runs of both arms come from one distribution: then a run's label says
    nothing, and labels may be drawn anew within each task. It needs no normal scores and no equal numbers of runs,
    and it tests the very number that is shown. The p-value is that of ``scipy.stats.monte_carlo_test`` with 9 999
    relabellings, twice the smaller side, never 0.

    :param first: scores of an arm, one array of shape ``(runs,)`` per task
    :param second: scores of the other arm on the same tasks, in the same order
    :param seed: seed of the relabelling
    :return: NaN without a task or with a score that is not a number
    """
    pairs = list(zip(first, second, strict=True))
    pooled = [stats.rankdata(np.concatenate(pair)) for pair in pairs]
    if not pooled or any(np.isnan(ranks).any() for ranks in pooled):
        return float("nan")
    # Up to a constant the probability of improvement is this weighted sum of the first arm's ranks.
    weights = np.concatenate([np.full(len(a), 1.0 / (len(a) * len(b))) for a, b in pairs])
    rng = np.random.default_rng(seed)

    def relabelled(size: Any) -> Any:
        drawn = [rng.permuted(np.broadcast_to(ranks, (size[0], len(ranks))), axis=1) for ranks in pooled]
        return np.concatenate([ranks[:, : len(a)] for ranks, (a, _) in zip(drawn, pairs, strict=True)], axis=1)

    observed: Any = np.concatenate([ranks[: len(a)] for ranks, (a, _) in zip(pooled, pairs, strict=True)])
    done = stats.monte_carlo_test(
        observed,
        relabelled,
        lambda ranks, axis: np.sum(weights * ranks, axis=axis),
        vectorized=True,
        n_resamples=PERMUTATIONS,
        alternative="two-sided",
    )
    return float(done.pvalue)


def least_p_value(first: Sequence[Array], second: Sequence[Array]) -> float:
    """Return the smallest p-value that :func:`permutation_test` can be expected to give with these numbers of runs.

    Two of all relabellings are as extreme as can be: that in which the first arm wins everywhere, and its mirror.
    With three runs an arm on one task there are 20 relabellings, so that no difference gives less than 0.1.

    :param first: scores of an arm, one array per task; only their lengths count
    :param second: scores of the other arm
    """
    relabellings = math.prod(math.comb(len(a) + len(b), len(a)) for a, b in zip(first, second, strict=True))
    return min(1.0, max(2.0 / relabellings, 2.0 / (PERMUTATIONS + 1)))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust the p-values of several tests so that the chance of any false finding stays below their level.

    Holm 1979: sorted ascending, the i-th of m becomes the greatest of ``(m - j + 1) p_j`` for j up to i, at most 1.

    :param p_values: by name; NaN ones were not tested, do not count, and stay NaN
    """
    tested = sorted((name for name in p_values if not math.isnan(p_values[name])), key=lambda name: p_values[name])
    factors = range(len(tested), 0, -1)
    raised = [factor * p_values[name] for factor, name in zip(factors, tested, strict=True)]
    adjusted = np.minimum(np.maximum.accumulate(raised), 1.0).tolist() if tested else []
    return {**p_values, **dict(zip(tested, adjusted, strict=True))}
