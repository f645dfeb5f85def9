"""The results table -> one score per run, what is lacking, and how scores are normalised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sb3_ppo_variants.bench.statistics.intervals import Array
from sb3_ppo_variants.bench.study.study import Study


@dataclass(frozen=True)
class Scale:
    """How returns of an environment are normalised: low becomes 0, high becomes 1."""

    low: float
    high: float
    from_study_range: bool


@dataclass(frozen=True)
class Shortfall:
    """What an arm lacks in an environment.

    :param arm: name of the arm
    :param environment: id of the environment
    :param missing: seeds of the study without a finished run
    :param short: seeds with fewer evaluations than a score takes; their score is the mean of those there are
    :param not_finite: seeds with a return that is no finite number; what is computed from it is n/a
    """

    arm: str
    environment: str
    missing: tuple[int, ...]
    short: tuple[int, ...]
    not_finite: tuple[int, ...]


def runs_of(results: pd.DataFrame, arm: str, environment: str) -> dict[int, pd.DataFrame]:
    """Rows of each run of one arm in one environment, by seed, in the order of the steps.

    :param results: the results table
    :param arm: name of the arm
    :param environment: id of the environment
    """
    rows = results[(results["arm"] == arm) & (results["environment"] == environment)].sort_values("timesteps")
    return {int(str(seed)): run for seed, run in rows.groupby("seed")}


def scores(results: pd.DataFrame, study: Study) -> dict[tuple[str, str], Array]:
    """Score of every run: its mean return over the last evaluations.

    :param results: the results table
    :param study: says how many evaluations count
    :return: (arm, environment) -> one score per finished seed, in the order of the seeds
    """
    found: dict[tuple[str, str], Array] = {}
    for arm in study.compared:
        for environment in study.environments:
            last = study.judged(environment).last
            runs = runs_of(results, arm, environment).values()
            # numpy's mean, because that of pandas leaves out what is not a number.
            values = [np.mean(rows["mean_return"].to_numpy(dtype=float)[-last:]) for rows in runs]
            if values:
                found[arm, environment] = np.array(values)
    return found


def shortfalls(results: pd.DataFrame, study: Study) -> list[Shortfall]:
    """List every pair of the study's own arms and environments that lacks something, in the order of the study.

    :param results: the results table
    :param study: says which seeds and how many evaluations there should be
    """
    return [
        lack
        for arm in study.arms
        for environment in study.environments
        if (lack := _shortfall(results, study, arm, environment)) is not None
    ]


def scale(study: Study, environment: str, found: Iterable[Array]) -> Scale:
    """Take the random and the reference score of the study file, else the least and the greatest score of a run.

    :param study: the study
    :param environment: id of the environment
    :param found: scores of its runs by arm, at least one
    """
    place = study.environments[environment]
    if place.random_score is not None and place.reference_score is not None:
        return Scale(place.random_score, place.reference_score, from_study_range=False)
    values = np.concatenate(list(found))
    finite = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    return Scale(float(finite.min()), float(finite.max()), from_study_range=True)


def _shortfall(results: pd.DataFrame, study: Study, arm: str, environment: str) -> Shortfall | None:
    runs = runs_of(results, arm, environment)
    last = study.judged(environment).last
    lack = Shortfall(
        arm=arm,
        environment=environment,
        missing=tuple(seed for seed in study.seeds if seed not in runs),
        short=tuple(seed for seed, rows in runs.items() if len(rows) < last),
        not_finite=tuple(seed for seed, rows in runs.items() if not np.isfinite(rows["mean_return"]).all()),
    )
    return lack if lack.missing or lack.short or lack.not_finite else None
