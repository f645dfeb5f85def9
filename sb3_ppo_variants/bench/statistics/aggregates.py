"""Aggregates of the normalised scores of many tasks, as Agarwal et al. 2021 (https://arxiv.org/abs/2108.13264).

All functions take one array of scores per task, with the runs along ``axis``; tasks weigh equally whatever their
numbers of runs. With equal numbers of runs the results are those of the authors' library rliable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sb3_ppo_variants.bench.statistics.intervals import Array, Band, Estimate, bootstrap, bootstrap_band

# Thresholds of a performance profile.
THRESHOLDS = 101


def iqm(*tasks: Array, axis: int = -1) -> Any:
    """Interquartile mean over the runs of all tasks, every task with the same weight.

    Runs are sorted, the lighter first among equal scores. A run weighs ``1 / (number of tasks * runs of its task)``.
    From each end those are dropped whose cumulative weight is at most a quarter; the weighted mean of the rest
    remains. With equal numbers of runs it is ``scipy.stats.trim_mean(all runs, 0.25)``, the interquartile mean of
    Agarwal et al. 2021, section 4.3.

    :param tasks: normalised scores, one array per task, runs along ``axis``
    :param axis: axis of the runs
    """
    # The runs with less weight first, so that a stable sort leaves them first among equal scores.
    moved = sorted(
        (np.moveaxis(np.asarray(task, dtype=np.float64), axis, -1) for task in tasks), key=lambda task: -task.shape[-1]
    )
    weights = np.concatenate([np.full(task.shape[-1], 1.0 / (len(moved) * task.shape[-1])) for task in moved])
    scores = np.ascontiguousarray(np.concatenate(moved, axis=-1))
    if moved[0].shape[-1] == moved[-1].shape[-1]:
        scores = np.sort(scores, axis=-1)
    else:
        order = np.argsort(scores, axis=-1, kind="stable")
        scores, weights = np.take_along_axis(scores, order, axis=-1), weights[order]
    from_below = np.cumsum(weights, axis=-1)
    from_above = np.cumsum(weights[..., ::-1], axis=-1)[..., ::-1]
    kept = weights * (from_below > 0.25 + 1e-12) * (from_above > 0.25 + 1e-12)
    with np.errstate(invalid="ignore"):  # a weight of 0 times infinity is NaN, as it should be
        return np.sum(kept * scores, axis=-1) / np.sum(kept, axis=-1)


def median(*tasks: Array, axis: int = -1) -> Any:
    """Median over the tasks of the mean over each task's runs.

    :param tasks: normalised scores, one array per task, runs along ``axis``
    :param axis: axis of the runs
    """
    return np.median([np.mean(task, axis=axis) for task in tasks], axis=0)


def mean(*tasks: Array, axis: int = -1) -> Any:
    """Mean over the tasks of the mean over each task's runs.

    :param tasks: normalised scores, one array per task, runs along ``axis``
    :param axis: axis of the runs
    """
    return np.mean([np.mean(task, axis=axis) for task in tasks], axis=0)


def optimality_gap(*tasks: Array, axis: int = -1) -> Any:
    """Amount by which runs stay below the reference score: ``1 - mean(min(score, 1))``; less is better.

    :param tasks: normalised scores, one array per task, runs along ``axis``
    :param axis: axis of the runs
    """
    return 1.0 - mean(*(np.minimum(task, 1.0) for task in tasks), axis=axis)


@dataclass(frozen=True)
class Aggregates:
    """The four aggregates of one arm, each with a 95 % stratified bootstrap interval.

    :param iqm: interquartile mean
    :param median: median over the tasks
    :param mean: mean over the tasks
    :param optimality_gap: mean amount by which runs stay below 1
    """

    iqm: Estimate
    median: Estimate
    mean: Estimate
    optimality_gap: Estimate


def aggregate(tasks: Sequence[Array], resamples: int, seed: int) -> Aggregates:
    """Compute the four aggregates of one arm; the runs of each task are resampled by themselves.

    :param tasks: normalised scores, one array of shape ``(runs,)`` per task; without any, all is NaN
    :param resamples: number of resamples
    :param seed: seed of the resampling
    """
    return Aggregates(*(bootstrap(tasks, f, resamples, seed) for f in (iqm, median, mean, optimality_gap)))


def thresholds(tasks: Sequence[Array]) -> Array:
    """Return the thresholds of a profile: equal steps over [0, 1] and all scores that are finite.

    :param tasks: normalised scores of all arms to be compared
    :return: shape ``(101,)``
    """
    scores = np.concatenate([np.array([0.0, 1.0]), *tasks])
    finite = scores[np.isfinite(scores)]
    return np.linspace(finite.min(), finite.max(), THRESHOLDS)


def profile(tasks: Sequence[Array], at: Array, resamples: int, seed: int) -> Band:
    """Performance profile: share of the runs that score above each threshold, every task with the same weight.

    The score distribution of Agarwal et al. 2021, section 4.2. The area under it from 0 is the mean of scores that
    are not negative.

    :param tasks: normalised scores of one arm, one array of shape ``(runs,)`` per task, at least one
    :param at: thresholds, shape ``(points,)``
    :param resamples: number of resamples
    :param seed: seed of the resampling
    """
    above = [np.where(np.isnan(task), np.nan, task > at[:, None]) for task in tasks]
    return bootstrap_band(at, above, mean, resamples, seed)
