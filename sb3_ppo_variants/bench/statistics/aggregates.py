"""Aggregates of the normalised scores of many tasks, as Agarwal et al. 2021 (https://arxiv.org/abs/2108.13264).

All functions take one array of scores per task; tasks weigh equally whatever their numbers of runs. With equal numbers
of runs the values are those of the authors' library rliable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sb3_ppo_variants.bench.statistics.intervals import (
    UNKNOWN,
    Array,
    Band,
    Estimate,
    band,
    bootstrap,
    mean_interval,
    share_interval,
    trials,
)

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
    moved = [np.moveaxis(np.asarray(task, dtype=np.float64), axis, -1) for task in tasks]
    runs = [task.shape[-1] for task in moved]
    if min(runs) < max(runs):
        return _weighted_iqm(moved)
    ascending = np.concatenate(moved, axis=-1)
    ascending.sort(axis=-1)
    dropped = sum(runs) // 4
    # What is not a number is sorted to the end, and must not be dropped.
    known = np.where(np.isnan(ascending[..., -1]), np.nan, 1.0)
    return known * ascending[..., dropped : sum(runs) - dropped].mean(axis=-1)


def _weighted_iqm(tasks: list[Array]) -> Any:
    # The runs with less weight first, so that a stable sort leaves them first among equal scores.
    tasks = sorted(tasks, key=lambda task: -task.shape[-1])
    weights = np.concatenate([np.full(task.shape[-1], 1.0 / (len(tasks) * task.shape[-1])) for task in tasks])
    scores = np.concatenate(tasks, axis=-1)
    order = np.argsort(scores, axis=-1, kind="stable")
    scores, weights = np.take_along_axis(scores, order, axis=-1), weights[order]
    from_below = np.cumsum(weights, axis=-1)
    from_above = np.cumsum(weights[..., ::-1], axis=-1)[..., ::-1]
    kept = weights * (from_below > 0.25 + 1e-12) * (from_above > 0.25 + 1e-12)
    with np.errstate(invalid="ignore"):  # a weight of 0 times infinity is NaN, as it should be
        return np.sum(kept * scores, axis=-1) / np.sum(kept, axis=-1)


def median_interval(*tasks: Array) -> Estimate:
    """Median over the tasks of the mean over each task's runs.

    The bounds are the medians of the bounds of :func:`.intervals.mean_interval` in each task. Where these hold, the
    median lies between; of many tasks with nearly the same mean some do not, and then it may lie outside a little more
    often than in 5 % of cases.

    :param tasks: normalised scores, one array of shape ``(runs,)`` per task; without any, all is NaN
    """
    return Estimate(*np.median([mean_interval(task) for task in tasks], axis=0).tolist()) if tasks else UNKNOWN


def optimality_gap(*tasks: Array) -> Estimate:
    """Amount by which runs stay below the reference score: ``1 - mean(min(score, 1))``; less is better, never below 0.

    :param tasks: normalised scores, one array of shape ``(runs,)`` per task; without any, all is NaN
    """
    reached = mean_interval(*(np.minimum(task, 1.0) for task in tasks))
    return Estimate(1.0 - reached.value, float(np.maximum(1.0 - reached.high, 0.0)), 1.0 - reached.low)


@dataclass(frozen=True)
class Aggregates:
    """The four aggregates of one arm, each with a 95 % interval.

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
    """Compute the four aggregates of one arm.

    :param tasks: normalised scores, one array of shape ``(runs,)`` per task; without any, all is NaN
    :param resamples: number of resamples for the interquartile mean; the runs of each task are resampled by themselves
    :param seed: seed of the resampling
    """
    return Aggregates(
        iqm=bootstrap(tasks, iqm, resamples, seed),
        median=median_interval(*tasks),
        mean=mean_interval(*tasks),
        optimality_gap=optimality_gap(*tasks),
    )


def thresholds(tasks: Sequence[Array]) -> Array:
    """Return the thresholds of a profile: equal steps over [0, 1] and all scores that are finite.

    :param tasks: normalised scores of all arms to be compared
    :return: shape ``(101,)``
    """
    scores = np.concatenate([np.array([0.0, 1.0]), *tasks])
    finite = scores[np.isfinite(scores)]
    return np.linspace(finite.min(), finite.max(), THRESHOLDS)


def profile(tasks: Sequence[Array], at: Array) -> Band:
    """Performance profile: share of the runs that score above each threshold, every task with the same weight.

    The score distribution of Agarwal et al. 2021, section 4.2. The area under it from 0 is the mean of scores that
    are not negative. The interval is Wilson's; tasks that differ only make the share vary less than it allows for.

    :param tasks: normalised scores of one arm, one array of shape ``(runs,)`` per task, at least one
    :param at: thresholds, shape ``(points,)``
    """
    shares = [np.mean(np.where(np.isnan(task), np.nan, task > at[:, None]), axis=-1) for task in tasks]
    return band(at, share_interval(np.mean(shares, axis=0), trials([len(task) for task in tasks])))
