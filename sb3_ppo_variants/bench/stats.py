"""Statistics of runs: pure functions on arrays, everything that draws is seeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]
CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A number with its interval; NaN bounds when the data do not give one."""

    value: float
    low: float
    high: float


def mean_interval(sample: Array) -> Estimate:
    """Mean and Student-t interval of independent runs.

    A sample of equal values has an interval of zero width; one value has none.

    :param sample: one score per run, shape ``(n,)``
    """
    value = float(np.mean(sample))
    if len(sample) < 2:
        return Estimate(value, float("nan"), float("nan"))
    error = float(stats.sem(sample))
    if error == 0.0:
        return Estimate(value, value, value)
    low, high = stats.t.interval(CONFIDENCE, len(sample) - 1, loc=value, scale=error)
    return Estimate(value, float(low), float(high))


def normalise(scores: Array, low: float, high: float) -> Array:
    """Map low to 0 and high to 1; all to 0 when the two are equal.

    :param scores: any shape
    :param low: score of a random policy, or the least of the study
    :param high: reference score, or the greatest of the study
    """
    return np.zeros_like(scores) if low == high else (scores - low) / (high - low)


def iqm(*tasks: Array, axis: int = -1) -> Any:
    """Interquartile mean over the runs of all tasks, every task with the same weight.

    Runs are sorted, the lighter first among equal scores. A run weighs ``1 / (number of tasks * runs of its task)``.
    From each end those are dropped whose cumulative weight is at most a quarter; the weighted mean of the rest
    remains. With equal numbers of runs it is ``scipy.stats.trim_mean(all runs, 0.25)``, the interquartile mean of
    Agarwal et al. 2021.

    :param tasks: normalised scores, one array per task, runs along ``axis``
    :param axis: axis of the runs
    """
    moved = [np.moveaxis(np.asarray(task, dtype=np.float64), axis, -1) for task in tasks]
    weights = np.concatenate([np.full(task.shape[-1], 1.0 / (len(moved) * task.shape[-1])) for task in moved])
    scores = np.concatenate(moved, axis=-1)
    weights = np.broadcast_to(weights, scores.shape)
    order = np.lexsort((weights, scores), axis=-1)
    scores, weights = (np.take_along_axis(values, order, axis=-1) for values in (scores, weights))
    from_below = np.cumsum(weights, axis=-1)
    from_above = np.cumsum(weights[..., ::-1], axis=-1)[..., ::-1]
    kept = weights * (from_below > 0.25 + 1e-12) * (from_above > 0.25 + 1e-12)
    return np.sum(kept * scores, axis=-1) / np.sum(kept, axis=-1)


def iqm_interval(tasks: Sequence[Array], resamples: int, seed: int) -> Estimate:
    """Interquartile mean with a stratified bootstrap interval: the runs of each task are resampled by themselves.

    :param tasks: normalised scores, one array of shape ``(runs,)`` per task
    :param resamples: number of resamples
    :param seed: seed of the resampling
    """
    return _bootstrap(tasks, iqm, resamples, seed)


def probability_of_improvement(*tasks: Array, axis: int = -1) -> Any:
    """Probability that a run of the first arm beats one of the second, mean over tasks, ties count one half.

    Mann-Whitney's U divided by the number of pairs.

    :param tasks: the first arm's scores for each task, then the second arm's in the same order
    :param axis: axis of the runs
    """
    half = len(tasks) // 2
    values = [
        stats.mannwhitneyu(first, second, axis=axis, method="asymptotic").statistic
        / (first.shape[axis] * second.shape[axis])
        for first, second in zip(tasks[:half], tasks[half:], strict=True)
    ]
    return np.mean(values, axis=0)


def improvement_interval(first: Sequence[Array], second: Sequence[Array], resamples: int, seed: int) -> Estimate:
    """Probability of improvement with a stratified bootstrap interval: each arm's runs of each task are resampled.

    :param first: scores of an arm, one array of shape ``(runs,)`` per task
    :param second: scores of the baseline on the same tasks, in the same order
    :param resamples: number of resamples
    :param seed: seed of the resampling
    """
    return _bootstrap([*first, *second], probability_of_improvement, resamples, seed)


def mean_band(runs: Array, resamples: int, seed: int) -> Array:
    """Mean over the runs at every point of a curve, with a percentile bootstrap interval.

    Unlike Student's, this interval never leaves the range of the runs; with few of them it is too narrow.

    :param runs: one curve per run, shape ``(runs, points)``
    :param resamples: number of resamples
    :param seed: seed of the resampling
    :return: mean, low and high, shape ``(3, points)``; low and high are NaN for a single run
    """
    mean = runs.mean(axis=0)
    if len(runs) < 2:
        return np.stack([mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)])
    low, high = _percentile_interval([runs], np.mean, resamples, seed, axis=0)
    return np.stack([mean, low, high])


def _bootstrap(samples: Sequence[Array], statistic: Callable[..., Any], resamples: int, seed: int) -> Estimate:
    """Percentile bootstrap with every sample resampled by itself; no interval when one has fewer than two runs."""
    if not samples:
        return Estimate(float("nan"), float("nan"), float("nan"))
    value = float(statistic(*samples))
    if min(len(sample) for sample in samples) < 2:
        return Estimate(value, float("nan"), float("nan"))
    low, high = _percentile_interval(samples, statistic, resamples, seed, axis=-1)
    return Estimate(value, float(low), float(high))


def _percentile_interval(
    samples: Sequence[Array], statistic: Callable[..., Any], resamples: int, seed: int, axis: int
) -> tuple[Any, Any]:
    done = stats.bootstrap(
        tuple(samples),
        statistic,
        n_resamples=resamples,
        vectorized=True,
        axis=axis,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return done.confidence_interval.low, done.confidence_interval.high
