"""Estimates with their intervals: pure functions on arrays, everything that draws is seeded.

A score that is not a finite number makes every number that it enters NaN; none is dropped. What the intervals hold is
simulated by ``benchmarks/coverage.py``.
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
# How many times too small the skewness of few runs is taken to be; at 4 the intervals hold in benchmarks/coverage.py.
SKEWNESS = 4
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


def mean_interval(*tasks: Array) -> Estimate:
    """Mean over the tasks of the mean over each task's runs, with the interval of :func:`mean_bands`.

    :param tasks: one score per run, an array of shape ``(runs,)`` per task; without any, all is NaN
    """
    return Estimate(*mean_bands(*tasks).tolist()) if tasks else UNKNOWN


def mean_bands(*tasks: Array) -> Array:
    r"""Mean over the tasks of the mean over each task's runs, with an interval that allows for skewed scores.

    Student's interval :math:`m \pm q s`, reaching further on the side of the longer tail by

    .. math::

        4 \cdot \frac{|\gamma|}{6} (1 + 2 q^2) s

    with the mean :math:`m`, its standard error :math:`s`, its skewness :math:`\gamma` and Student's quantile :math:`q`,
    all of independent runs in fixed tasks, and Satterthwaite's (1946) degrees of freedom. Without the 4 this is by how
    much Johnson (1978), "Modified t tests and confidence intervals for asymmetrical populations", moves both ends. Few
    runs show too little of their skewness, ten of a lognormal distribution about a quarter. So it is taken four times,
    and never brings an end nearer.

    :param tasks: one score per run, an array of shape ``(..., runs)`` per task
    :return: mean, low and high, shape ``(3, ...)``; low and high are NaN where a task has a single run, and equal to
        the mean where all runs of each task are equal
    """
    counts = np.array([task.shape[-1] for task in tasks])
    means = [task.mean(axis=-1) for task in tasks]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        deviations = [task - mean[..., None] for task, mean in zip(tasks, means, strict=True)]
        squares, cubes = (np.stack([np.sum(d**power, axis=-1) for d in deviations], axis=-1) for power in (2, 3))
        variances = squares / (counts - 1) / counts / len(tasks) ** 2
        # The third cumulant of a mean; two runs have no skewness.
        cumulants = cubes / (np.maximum(counts - 2, 1) * (counts - 1)) / counts / len(tasks) ** 3
        value, variance = np.mean(means, axis=0), variances.sum(axis=-1)
        error = np.sqrt(variance)
        freedom = variance**2 / np.sum(variances**2 / (counts - 1), axis=-1)
        quantile = stats.t.ppf((1 + CONFIDENCE) / 2, freedom)
        tail = SKEWNESS * cumulants.sum(axis=-1) / error**3 / 6 * (1 + 2 * quantile**2)
        low = value - error * (quantile - np.minimum(tail, 0.0))
        high = value + error * (quantile + np.maximum(tail, 0.0))
    # The mean of equal numbers may round to another one.
    equal = np.all([task.min(axis=-1) == task.max(axis=-1) for task in tasks], axis=0) & (counts.min() > 1)
    found = np.stack([value, np.where(equal, value, low), np.where(equal, value, high)])
    return np.where(np.isfinite(value), found, np.nan)


def share_interval(share: Any, trials: float, confidence: float = CONFIDENCE) -> Any:
    """Wilson's (1927) score interval of a share; never of zero width.

    :param share: number or array of shares
    :param trials: number of independent trials that it comes from, or that have its variance; 0 makes all NaN
    :param confidence: probability with which the interval contains the true share
    :return: share, low and high, along the first axis; NaN where the share is
    """
    share = np.asarray(share, dtype=np.float64)
    if trials == 0:
        return np.full((3, *share.shape), np.nan)
    square = float(stats.norm.isf((1 - confidence) / 2)) ** 2 / trials
    centre = (share + square / 2) / (1 + square)
    half = np.sqrt(share * (1 - share) * square + square**2 / 4) / (1 + square)
    return np.stack([share, np.minimum(centre - half, share), np.maximum(centre + half, share)])


def trials(runs: Sequence[int]) -> float:
    """Number of trials of a single share that varies as a mean over tasks of their shares.

    With as many runs in each task it varies no less, whatever the shares of the tasks are.

    :param runs: number of runs in each task; 0 without tasks
    """
    return len(runs) ** 2 / sum(1 / count for count in runs) if runs else 0.0


def normalise(scores: Array, low: float, high: float) -> Array:
    """Map low to 0 and high to 1; all to 0 when the two are equal; what is not finite becomes NaN.

    :param scores: any shape
    :param low: score of a random policy, or the least of the study
    :param high: reference score, or the greatest of the study
    """
    finite = np.where(np.isfinite(scores), scores, np.nan)
    return finite * 0.0 if low == high else (finite - low) / (high - low)


def bootstrap(samples: Sequence[Array], statistic: Callable[..., Any], resamples: int, seed: int) -> Estimate:
    """Stratified bootstrap with expanded percentiles: every sample is resampled by itself.

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
    """Stratified bootstrap of a curve with expanded percentiles: a resampled run brings its whole curve.

    :param x: places of the points, shape ``(points,)``
    :param samples: one array of shape ``(points, runs)`` per stratum, at least one
    :param statistic: function of the samples and of the keyword ``axis``, the axis of the runs
    :param resamples: number of resamples
    :param seed: seed of the resampling
    """
    return band(x, _bootstrap(samples, statistic, resamples, seed))


def band(x: Array, found: Any) -> Band:
    """Make a band of arrays.

    :param x: places of the points, shape ``(points,)``
    :param found: value, low and high, shape ``(3, points)``
    """
    return Band(tuple(x.tolist()), *(tuple(each) for each in found.tolist()))


def expanded_tail(counts: Sequence[int]) -> float:
    """Share of the resamples beyond each end of a 95 % interval.

    The resampled runs spread too little, by ``sqrt((n - 1) / n)``, and a normal quantile is too near for few of them.
    So the percentiles are those of a normal distribution at ``sqrt(n / (n - 1))`` times Student's quantile (Hesterberg
    2015, "What teachers should know about the bootstrap", section 5.2, with the degrees of freedom of all strata).

    :param counts: number of runs in each stratum, each at least 2
    """
    freedom = sum(counts) - len(counts)
    quantile = stats.t.isf((1 - CONFIDENCE) / 2, freedom) * np.sqrt(sum(counts) / freedom)
    return float(stats.norm.sf(quantile))


def _bootstrap(samples: Sequence[Array], statistic: Callable[..., Any], resamples: int, seed: int) -> Array:
    """Return statistic, low and high along the first axis; the runs lie along the last axis of the samples.

    The draws are those of ``scipy.stats.bootstrap(method="percentile")``, which needs twice the time for a curve,
    because it holds the resamples of all points at once.
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
    resampled = []
    for begin in range(0, len(curves[0]), points):
        block = (
            np.take(curve[begin : begin + points], runs, axis=-1) for curve, runs in zip(curves, drawn, strict=True)
        )
        resampled.append(statistic(*block, axis=-1))
    tail = expanded_tail(counts)
    bounds = stats.quantile(np.concatenate(resampled), np.array([tail, 1 - tail]), axis=-1)
    return np.stack([value, *bounds.T.reshape(2, *value.shape)])
