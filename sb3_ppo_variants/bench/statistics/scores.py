"""The results table -> one score per run, what is lacking, and how scores are normalised."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sb3_ppo_variants.bench.statistics.intervals import Array
from sb3_ppo_variants.bench.study.keys import RETURN, SUCCESS
from sb3_ppo_variants.bench.study.study import Study

LARGEST_RETURN = 1e154
# (arm, environment) -> seed -> the rows of the run, in the order of the steps.
Runs = Mapping[tuple[str, str], Mapping[int, pd.DataFrame]]


@dataclass(frozen=True)
class Scale:
    """How returns of an environment are normalised: low becomes 0, high becomes 1; both are NaN if that is unknown."""

    low: float
    high: float
    from_study_range: bool

    @property
    def is_flat(self) -> bool:
        """Whether all runs have the same score, which then is neither 0 nor 1."""
        return self.low == self.high


@dataclass(frozen=True)
class Shortfall:
    """What an arm lacks in an environment.

    :param arm: name of the arm
    :param environment: id of the environment
    :param missing: seeds of the study without a finished run
    :param short: seeds with fewer evaluations than a score takes; their score is the mean of those there are
    :param not_finite: seeds with a return that is no finite number, or whose last evaluations did not record another
        metric; what is computed from it is n/a
    """

    arm: str
    environment: str
    missing: tuple[int, ...]
    short: tuple[int, ...]
    not_finite: tuple[int, ...]


def of_metric(results: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Put a metric in the place of the return, NaN where an evaluation lacks it.

    Runs that lack it altogether are left out.

    :param results: the results table
    :param metric: ``return`` or another column
    """
    if metric == RETURN:
        return results
    results = results.assign(mean_return=results.get(metric, np.nan))
    of_runs = results.groupby(["arm", "environment", "seed"])["mean_return"]
    return results[of_runs.transform("count") > 0]


def known_returns(results: pd.DataFrame) -> pd.DataFrame:
    """Write NaN for the returns with which no statistic can be computed: infinite ones, and those beyond 1e154.

    The square of a greater number is none; what NaN enters becomes NaN itself, and is shown as unknown.

    :param results: the results table
    """
    returns = results["mean_return"].astype(float)
    return results.assign(mean_return=returns.where(returns.abs() <= LARGEST_RETURN))


def split_runs(results: pd.DataFrame, times: pd.DataFrame | None = None, metric: str = RETURN) -> Runs:
    """Split the results table into its runs, seeds in ascending order; pairs without a run are absent.

    :param results: the results table
    :param times: seconds of training at each evaluation, columns arm, environment, seed, timesteps, seconds; they
        become a column ``seconds`` of the runs, NaN where they are not known
    :param metric: what stands in the column ``mean_return``
    """
    known = known_returns(of_metric(results, metric))
    timed = known.assign(seconds=np.nan) if times is None else known.merge(times, how="left")
    runs: defaultdict[tuple[str, str], dict[int, pd.DataFrame]] = defaultdict(dict)
    for (arm, environment, seed), rows in timed.sort_values("timesteps").groupby(["arm", "environment", "seed"]):
        runs[str(arm), str(environment)][int(str(seed))] = rows
    return dict(runs)


def scores(runs: Runs, study: Study) -> dict[tuple[str, str], Array]:
    """Score of every run: its mean return over the last evaluations.

    :param runs: of all arms
    :param study: says how many evaluations count
    :return: (arm, environment) -> one score per finished seed, in the order of the seeds
    """
    return {key: np.array([*of_seeds.values()]) for key, of_seeds in seed_scores(runs, study).items()}


def seed_scores(runs: Runs, study: Study) -> dict[tuple[str, str], dict[int, float]]:
    """Score of every run: its mean return over the last evaluations.

    :param runs: of all arms
    :param study: says how many evaluations count
    :return: (arm, environment) -> finished seed, in ascending order -> score
    """
    return {
        (arm, environment): {
            seed: run_score(rows, study.judged(environment).last) for seed, rows in runs[arm, environment].items()
        }
        for arm in study.compared
        for environment in study.environments
        if (arm, environment) in runs
    }


def shortfalls(
    runs: Runs,
    study: Study,
    environments: Iterable[str],
    wanted: Mapping[str, Collection[int]],
    metric: str = RETURN,
) -> list[Shortfall]:
    """List every pair of the study's own arms and environments that lacks something, in the order of the study.

    :param runs: of all arms
    :param study: says how many evaluations there should be
    :param environments: those that should have any
    :param wanted: arm -> the seeds that there should be
    :param metric: what the runs are of
    """
    return [
        lack
        for arm in study.arms
        for environment in environments
        if (lack := _shortfall(runs.get((arm, environment), {}), wanted[arm], study, arm, environment, metric))
        is not None
    ]


def scale(study: Study, environment: str, found: Iterable[Array], metric: str = RETURN) -> Scale:
    """Take the random and the reference score of the study file, else the least and the greatest score of a run.

    A share of successes needs neither.

    :param study: the study
    :param environment: id of the environment
    :param found: scores of its runs by arm, at least one
    :param metric: what the scores are of
    """
    if metric == SUCCESS:
        return Scale(0.0, 1.0, from_study_range=False)
    place = study.environments[environment]
    if metric == RETURN and place.random_score is not None and place.reference_score is not None:
        return Scale(place.random_score, place.reference_score, from_study_range=False)
    values = np.concatenate(list(found))
    finite = values[np.isfinite(values)]
    if len(finite) < len(values) and len(np.unique(finite)) < 2:
        return Scale(float("nan"), float("nan"), from_study_range=True)
    return Scale(float(finite.min()), float(finite.max()), from_study_range=True)


def run_score(rows: pd.DataFrame, last: int) -> float:
    """Score of a run: its mean return over the last evaluations.

    :param rows: of the run, in the order of the steps
    :param last: how many evaluations count
    """
    # numpy's mean, because that of pandas leaves out what is not a number. Twelve digits, because what a sum rounds
    # depends on its order: the same evaluations in another order are a tie.
    return float(f"{np.mean(rows['mean_return'].to_numpy(dtype=float)[-last:]):.12g}")


def _shortfall(
    runs: Mapping[int, pd.DataFrame], wanted: Collection[int], study: Study, arm: str, environment: str, metric: str
) -> Shortfall | None:
    last = study.judged(environment).last
    # An environment may record a metric in some episodes only; of the score it has to be known.
    judged = slice(None) if metric == RETURN else slice(-last, None)
    lack = Shortfall(
        arm=arm,
        environment=environment,
        missing=tuple(seed for seed in wanted if seed not in runs),
        short=tuple(seed for seed, rows in runs.items() if len(rows) < last),
        not_finite=tuple(seed for seed, rows in runs.items() if not np.isfinite(rows["mean_return"][judged]).all()),
    )
    return lack if lack.missing or lack.short or lack.not_finite else None
