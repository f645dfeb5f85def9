"""Estimates with their intervals: pure functions on arrays, everything that draws is seeded.

A score that is not a number makes every number that it enters NaN; none is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]
CONFIDENCE = 0.95
# Resamples are drawn in batches of so many numbers. Another number gives other intervals for large studies.
BATCH = 10_000_000
# Numbers that one step of a bootstrap holds at once, few enough for the cache of a processor (1.6 MB).
BLOCK = 200_000


class Estimate(NamedTuple):
    """A number with its interval; NaN bounds when the data do not give one."""

    value: float
    low: float
    high: float


UNKNOWN = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Band:
    """A curve with its interval at every point; NaN bounds when the data do not give one.

    :param x: places of the points, ascending
    :param value: the curve
    :param low: lower bounds
    :param high: upper bounds
    """

    x: tuple[float, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


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


def share_interval(count: int, total: int) -> Estimate:
    """Share ``count / total`` with Wilson's score interval; all NaN when total is 0.

    :param count: how many have the property
    :param total: out of how many
    """
    if total == 0:
        return UNKNOWN
    bounds = stats.binomtest(count, total).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(count / total, float(bounds.low), float(bounds.high))


def normalise(scores: Array, low: float, high: float) -> Array:
    """Map low to 0 and high to 1; all to 0 when the two are equal.

    :param scores: any shape
    :param low: score of a random policy, or the least of the study
    :param high: reference score, or the greatest of the study
    """
    return scores * 0.0 if low == high else (scores - low) / (high - low)


def mean_band(runs: Array, resamples: int, seed: int) -> Array:
    """Mean over the runs at every point of a curve, with a percentile bootstrap interval.

    Unlike Student's, this interval never leaves the range of the runs; with few of them it is too narrow.

    :param runs: one curve per run, shape ``(runs, points)``
    :param resamples: number of resamples
    :param seed: seed of the resampling
    :return: mean, low and high, shape ``(3, points)``; low and high are NaN for a single run
    """
    return _bootstrap([runs.T], np.mean, resamples, seed)


def bootstrap(samples: Sequence[Array], statistic: Callable[..., Any], resamples: int, seed: int) -> Estimate:
    """Stratified percentile bootstrap: every sample is resampled by itself.

    :param samples: one array of shape ``(runs,)`` per stratum, for example per task; without any, all is NaN
    :param statistic: function of the samples and of the keyword ``axis``, the axis of the runs
    :param resamples: number of resamples
    :param seed: seed of the resampling
    :return: the statistic of the samples and its 95 % interval, without one when a sample has fewer than two runs
    """
    if not samples:
        return UNKNOWN
    return Estimate(*_bootstrap(samples, statistic, resamples, seed).tolist())


def bootstrap_band(
    x: Array, samples: Sequence[Array], statistic: Callable[..., Any], resamples: int, seed: int
) -> Band:
    """Stratified percentile bootstrap of a curve: a resampled run brings its whole curve.

    :param x: places of the points, shape ``(points,)``
    :param samples: one array of shape ``(points, runs)`` per stratum, at least one
    :param statistic: function of the samples and of the keyword ``axis``, the axis of the runs
    :param resamples: number of resamples
    :param seed: seed of the resampling
    """
    value, low, high = _bootstrap(samples, statistic, resamples, seed).tolist()
    return Band(tuple(x.tolist()), tuple(value), tuple(low), tuple(high))


def _bootstrap(samples: Sequence[Array], statistic: Callable[..., Any], resamples: int, seed: int) -> Array:
    """Return statistic, low and high along the first axis; the runs lie along the last axis of the samples.

    The draws and the interval are those of ``scipy.stats.bootstrap(method="percentile")``, which needs twice the time
    for a curve, because it holds the resamples of all points at once.
    """
    value = np.asarray(statistic(*samples, axis=-1), dtype=np.float64)
    counts = [sample.shape[-1] for sample in samples]
    if min(counts) < 2 or np.isnan(value).all():
        return np.stack([value, np.full_like(value, np.nan), np.full_like(value, np.nan)])
    rng = np.random.default_rng(seed)
    batch = max(1, BATCH // sum(sample.size for sample in samples))
    sizes = [min(batch, resamples - begin) for begin in range(0, resamples, batch)]
    batches = [[rng.integers(0, count, (size, count)) for count in counts] for size in sizes]
    drawn = [np.concatenate(of_sample) for of_sample in zip(*batches, strict=True)]
    curves = [np.atleast_2d(sample) for sample in samples]
    points = max(1, BLOCK // (resamples * sum(counts)))
    alpha = (1 - CONFIDENCE) / 2
    resampled = []
    for begin in range(0, len(curves[0]), points):
        block = (curve[begin : begin + points, runs] for curve, runs in zip(curves, drawn, strict=True))
        resampled.append(statistic(*block, axis=-1))
    bounds = stats.quantile(np.concatenate(resampled), np.array([alpha, 1 - alpha]), axis=-1)
    return np.stack([value, *bounds.T.reshape(2, *value.shape)])
