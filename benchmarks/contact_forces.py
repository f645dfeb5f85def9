"""Stock PPO on Ant-v5 with contact forces in the observation, as in ``mujoco``, and without, as in ``mujoco_ant``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.markdown import table
from benchmarks.published_runs import published_runs
from sb3_ppo_variants.bench.report.numbers import mean_return
from sb3_ppo_variants.bench.statistics.intervals import Array, Estimate, mean_interval
from sb3_ppo_variants.bench.statistics.scores import seed_scores
from sb3_ppo_variants.bench.study.study import Study

TASK = "Ant-v5"
ARMS = ("base", "library_defaults")


def contact_forces(with_forces: tuple[Study, Path], without: tuple[Study, Path]) -> str:
    """The mean return of each arm in both studies, over the seeds that both have, and the difference.

    The interval of the difference is Welch's (1947), as ``mujoco_ant.yaml`` had it before its runs.

    :param with_forces: a study on Ant-v5 and the folder with the tables of its runs
    :param without: one whose observation has no contact forces
    :raises FileNotFoundError: when an arm has no finished run
    """
    of_both = [seed_scores(published_runs(*of_study, ARMS), of_study[0]) for of_study in (with_forces, without)]
    rows = []
    for arm in ARMS:
        before, after = (found[arm, TASK] for found in of_both)
        seeds = sorted(before.keys() & after.keys())
        first, second = (np.array([found[seed] for seed in seeds]) for found in (before, after))
        estimates = mean_interval(first), mean_interval(second), _difference(first, second)
        rows.append([f"`{arm}`", *map(mean_return, estimates), str(len(seeds))])
    return table(["arm", "with contact forces", "without", "difference (Welch)", "seeds"], rows)


def _difference(first: Array, second: Array) -> Estimate:
    value = float(np.mean(second) - np.mean(first))
    if len(first) < 2:
        return Estimate(value, float("nan"), float("nan"))
    return Estimate(value, *stats.ttest_ind(second, first, equal_var=False).confidence_interval())
