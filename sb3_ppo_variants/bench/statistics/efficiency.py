"""Sample efficiency: the aggregate score of an arm against environment steps or seconds of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from sb3_ppo_variants.bench.statistics.aggregates import iqm
from sb3_ppo_variants.bench.statistics.intervals import Array, Band, bootstrap_band, normalise
from sb3_ppo_variants.bench.statistics.scores import Runs, Scale

POINTS = 50


class Course(NamedTuple):
    """What the evaluations of one run showed.

    :param x: environment steps or seconds of training at each evaluation, ascending, at least one
    :param scores: mean return of each evaluation, normalised where runs of different environments are put together
    """

    x: Array
    scores: Array

    def latest(self, x: Array) -> Array:
        """The score of the latest evaluation at each place, after the end the last one.

        :param x: places, none before the first evaluation
        """
        return self.scores[np.searchsorted(self.x, x, side="right") - 1]


@dataclass(frozen=True)
class EfficiencyCurves:
    """Aggregate score against what it cost.

    :param steps: arm -> interquartile mean against environment steps
    :param seconds: arm -> the same against seconds of training, evaluations not counted
    :param untimed: arms without a curve over seconds, because at least one of their runs has no times
    """

    steps: dict[str, Band]
    seconds: dict[str, Band]
    untimed: list[str]


def efficiency_curve(tasks: Sequence[Sequence[Course]], resamples: int, seed: int) -> Band:
    """Interquartile mean of the normalised scores of all runs at every point, with a stratified bootstrap interval.

    At a point every run counts with its latest evaluation: nothing is interpolated, and a run that is over keeps its
    last score, so that tasks of different lengths share one axis. The curve begins where every run has been
    evaluated once and ends with the last evaluation of all, at no more than 50 points.

    :param tasks: the runs of one arm, task by task; at least one task, and one run in each
    :param resamples: number of resamples
    :param seed: seed of the resampling
    """
    courses = [course for runs in tasks for course in runs]
    begin, end = max(course.x[0] for course in courses), max(course.x[-1] for course in courses)
    places = np.unique(np.concatenate([course.x for course in courses])).astype(np.float64)
    x = places[places >= begin]
    if len(x) > POINTS:
        x = np.linspace(begin, end, POINTS)
    latest = [np.stack([course.latest(x) for course in runs], axis=-1) for runs in tasks]
    return bootstrap_band(x, latest, iqm, resamples, seed)


def efficiency_curves(
    runs: Runs,
    arms: Sequence[str],
    scales: Mapping[str, Scale],
    resamples: int,
    seed: int,
) -> EfficiencyCurves:
    """Make the curves of all arms over steps and over seconds.

    :param runs: of all arms, with a column ``seconds`` of the time of training at each evaluation, NaN if not known
    :param arms: arm names
    :param scales: normalisation of the environments that count; every arm has a run in each of them. Without any
        there are no curves
    :param resamples: number of resamples
    :param seed: seed of the resampling
    """
    steps, seconds = {}, {}
    for arm in arms if scales else ():
        of_arm = {name: list(runs[arm, name].values()) for name in scales}
        steps[arm] = efficiency_curve(_courses(of_arm, scales, "timesteps"), resamples, seed)
        if all(rows["seconds"].notna().all() for of_task in of_arm.values() for rows in of_task):
            seconds[arm] = efficiency_curve(_courses(of_arm, scales, "seconds"), resamples, seed)
    return EfficiencyCurves(steps, seconds, [arm for arm in steps if arm not in seconds])


def _courses(runs: Mapping[str, list[pd.DataFrame]], scales: Mapping[str, Scale], x: str) -> list[list[Course]]:
    def course(rows: pd.DataFrame, scale: Scale) -> Course:
        returns = rows["mean_return"].to_numpy(dtype=float)
        return Course(rows[x].to_numpy(dtype=float), normalise(returns, scale.low, scale.high))

    return [[course(rows, scales[name]) for rows in of_task] for name, of_task in runs.items()]
