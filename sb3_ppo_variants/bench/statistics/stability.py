"""Stability of an arm: how often its runs fall, and how soon they recover; the definitions are in :mod:`.falls`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sb3_ppo_variants.bench.statistics.falls import (
    EPISODES,
    RunEvaluations,
    false_falls,
    median_recovery,
    run_stability,
)
from sb3_ppo_variants.bench.statistics.intervals import Estimate, share_interval
from sb3_ppo_variants.bench.statistics.scores import Runs, Scale
from sb3_ppo_variants.bench.study.run import plain_id


@dataclass(frozen=True)
class Stability:
    """Stability of one arm in one environment.

    :param runs: number of runs
    :param climbed: share of the runs that ever climbed, with Wilson's interval
    :param fell: share of those that climbed that fell at least once, with Wilson's interval
    :param falls_per_run: mean number of falls of those that climbed
    :param falls: number of falls of all runs
    :param recoveries: how many of them were followed by a recovery
    :param median_recovery: environment steps from the beginning of a fall after which half of the falls are over,
        by Kaplan and Meier with the falls never recovered from as censored; infinity when half is never reached, NaN
        without a fall
    :param false_fall_rate: share of simulated runs of a constant policy that seem to fall, see
        :func:`.falls.false_falls`
    """

    runs: int
    climbed: Estimate
    fell: Estimate
    falls_per_run: float
    falls: int
    recoveries: int
    median_recovery: float
    false_fall_rate: float


@dataclass(frozen=True)
class StabilityTable:
    """Stability of all arms.

    :param found: by (arm, environment)
    :param left_out: what reports call an environment, or an arm and an environment -> why the runs cannot be judged
    """

    found: dict[tuple[str, str], Stability]
    left_out: dict[str, str]


def stability(runs: Sequence[RunEvaluations], low: float, high: float, seed: int) -> Stability:
    """Judge the runs of one arm in one environment.

    :param runs: their evaluations, at least one run
    :param low: random score
    :param high: reference score
    :param seed: seed of the simulation of a constant policy
    :raises ValueError: as :func:`.falls.run_stability`
    """
    judged = [(run, run_stability(run, low, high)) for run in runs]
    climbed = [(run, result) for run, result in judged if result.climbed]
    falls = [fall for _, result in climbed for fall in result.falls]
    fell = sum(bool(result.falls) for _, result in climbed)
    rates = [
        false_falls(result.best, *_noise(run, low, high), evaluations=len(run.steps), seed=seed)
        for run, result in climbed
    ]
    return Stability(
        runs=len(runs),
        climbed=_share(len(climbed), len(runs)),
        fell=_share(fell, len(climbed)),
        falls_per_run=len(falls) / len(climbed) if climbed else float("nan"),
        falls=len(falls),
        recoveries=sum(fall.recovered for fall in falls),
        median_recovery=median_recovery(falls),
        false_fall_rate=float(np.mean(rates)) if climbed else float("nan"),
    )


def _share(count: int, total: int) -> Estimate:
    return Estimate(*share_interval(count / total if total else np.nan, total).tolist())


def stability_table(runs: Runs, arms: Sequence[str], scales: Mapping[str, Scale], seed: int) -> StabilityTable:
    """Judge the runs of all arms in all environments where falls can be told from noise.

    An environment needs a random and a reference score in the study file, and evaluations of 10 episodes. Rows without
    episodes, of runs that a callback ended, are left out: nothing was played that could have fallen.

    :param runs: of all arms
    :param arms: arm names
    :param scales: normalisation of each environment
    :param seed: seed of the simulation of constant policies
    """
    found: dict[tuple[str, str], Stability] = {}
    left_out: dict[str, str] = {}
    for environment, scale in scales.items():
        of_arms = {arm: _played(runs[arm, environment]) for arm in arms if (arm, environment) in runs}
        fewest = min(rows["episodes"].min() for of_arm in of_arms.values() for rows in of_arm)
        if scale.from_study_range:
            left_out[plain_id(environment)] = "the study file has no random and reference score for it"
        elif fewest < EPISODES:
            left_out[plain_id(environment)] = f"its evaluations have {fewest} episodes, at least {EPISODES} are needed"
        else:
            for arm, of_arm in of_arms.items():
                evaluations = [_evaluations(rows) for rows in of_arm]
                if all(np.isfinite(run.means).all() for run in evaluations):
                    found[arm, environment] = stability(evaluations, scale.low, scale.high, seed)
                else:
                    left_out[f"{arm} on {plain_id(environment)}"] = "a return is not finite"
    return StabilityTable(found, left_out)


def _played(runs: Mapping[int, pd.DataFrame]) -> list[pd.DataFrame]:
    # A copy of every run, most of which were played to the end, takes most of the time of the table.
    return [rows if (played := rows["episodes"].to_numpy() > 0).all() else rows[played] for rows in runs.values()]


def _evaluations(rows: pd.DataFrame) -> RunEvaluations:
    columns = ("timesteps", "mean_return", "std_return", "episodes")
    return RunEvaluations(*(rows[column].to_numpy(dtype=float) for column in columns))


def _noise(run: RunEvaluations, low: float, high: float) -> tuple[float, int]:
    """Return the typical standard deviation of a return, with n - 1 as divisor, and the least number of episodes."""
    variances = run.stds**2 * run.episodes / (run.episodes - 1)
    return float(np.sqrt(np.mean(variances))) / abs(high - low), int(min(run.episodes))
