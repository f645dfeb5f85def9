"""The scores of Schulman et al. 2017 (arXiv 1707.06347), section 6.1, and ours, computed as theirs.

On each task 0 is a random policy and 1 the best setting; the score of a setting is the mean over the runs of all tasks.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pandas as pd

from benchmarks.table1.training import RANDOM
from sb3_ppo_variants.bench.statistics.comparisons import difference_interval
from sb3_ppo_variants.bench.statistics.intervals import Array, Estimate, mean_interval, normalise

# The paper's numbers.
PAPER = {
    "no_limit": -0.39,
    "clip_0.1": 0.76,
    "clip_0.2": 0.82,
    "clip_0.3": 0.70,
    "adaptive_kl_0.003": 0.68,
    "adaptive_kl_0.01": 0.74,
    "adaptive_kl_0.03": 0.71,
    "fixed_kl_0.3": 0.62,
    "fixed_kl_1": 0.71,
    "fixed_kl_3": 0.72,
    "fixed_kl_10": 0.69,
}


def scores(rows: pd.DataFrame) -> dict[tuple[str, str], Array]:
    """The normalised scores of the runs of each setting on each task that every setting has a run on.

    :param rows: of `training.csv`
    """
    returns = {
        (str(arm), str(name)): group["mean_return"].to_numpy(dtype=float)
        for (arm, name), group in rows.groupby(["arm", "environment"])
    }
    tasks = [name for name in dict.fromkeys(rows["environment"]) if all((arm, name) in returns for arm in PAPER)]
    best = {name: max(returns[arm, name].mean() for arm in PAPER) for name in tasks}
    lowest = {name: returns[RANDOM, name].mean() for name in tasks}
    return {(arm, name): normalise(returns[arm, name], lowest[name], best[name]) for arm in PAPER for name in tasks}


def settings(rows: pd.DataFrame) -> dict[str, Estimate]:
    """The score of each setting with its 95 % interval, given the scores that are 0 and 1.

    :param rows: of `training.csv`
    """
    found = scores(rows)
    return {arm: mean_interval(*(values for (who, _), values in found.items() if who == arm)) for arm in PAPER}


class Pair(NamedTuple):
    """Two settings that the paper orders.

    :param better: the one with the higher score in the paper
    :param worse: the other one
    :param difference: of our scores, better minus worse, with its 95 % interval, which nothing corrects
    """

    better: str
    worse: str
    difference: Estimate

    @property
    def is_decided(self) -> bool:
        """Whether the interval excludes 0."""
        return self.difference.low > 0 or self.difference.high < 0


def pairs(rows: pd.DataFrame) -> list[Pair]:
    """Every pair of settings whose scores differ in the paper.

    :param rows: of `training.csv`
    """
    found = scores(rows)
    of_settings = {arm: [values for (who, _), values in found.items() if who == arm] for arm in PAPER}
    ordered = (
        (first, second) if PAPER[first] > PAPER[second] else (second, first)
        for first, second in itertools.combinations(PAPER, 2)
        if PAPER[first] != PAPER[second]
    )
    return [
        Pair(better, worse, difference_interval(of_settings[better], of_settings[worse])) for better, worse in ordered
    ]


def kendall(rows: pd.DataFrame) -> float:
    """Kendall's rank correlation of our scores of the settings with the paper's.

    :param rows: of `training.csv`
    """
    ours = [estimate.value for estimate in settings(rows).values()]
    return float(pd.Series(ours).corr(pd.Series(list(PAPER.values())), method="kendall"))
