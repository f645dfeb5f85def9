"""What a number of seeds can show: the smallest difference that a comparison is likely to detect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from sb3_ppo_variants.bench.statistics.intervals import Array

POWER = 0.8
LEVEL = 0.05


@dataclass(frozen=True)
class Detectable:
    """The smallest difference to the baseline in one environment that would be found with a probability of 80 %.

    :param deviations: in standard deviations of a run (Cohen's d)
    :param score: in the environment's own units, with the pooled standard deviation of both arms; NaN when that is
        not known
    """

    deviations: float
    score: float


def detectable_effect(first: int, second: int | None = None) -> float:
    """Difference of two means, in standard deviations of a run, that a t-test finds with a probability of 80 %.

    Cohen's d of a two-sided two-sample t-test at the 5 % level: the d at which the noncentral t distribution with
    noncentrality ``d * sqrt(n m / (n + m))`` and ``n + m - 2`` degrees of freedom lies outside of the critical
    values with probability 0.8 (Cohen 1988, section 2.3). Examples: 2.0 for 5 runs an arm, 1.3 for 10, 0.9 for 20.

    :param first: runs of one arm, at least 1
    :param second: runs of the other arm; by default as many as the first
    :return: infinity for one run each, which have no standard deviation
    :raises ValueError: for a number of runs below 1
    """
    other = first if second is None else second
    for name, runs in (("first", first), ("second", other)):
        if runs < 1:
            raise ValueError(f"{name}={runs} must be a number of runs, 1 or more")
    freedom = first + other - 2
    if freedom == 0:
        return math.inf
    critical = float(stats.t.isf(LEVEL / 2, freedom))

    def lack(noncentrality: float) -> float:
        # The square of noncentral t is noncentral F; scipy's noncentral t gives NaN far out in its lower tail.
        return float(stats.ncf.sf(critical**2, 1, freedom, noncentrality**2)) - POWER

    # The probability is below 18 % at 1 and above 95 % at twice the critical value, for every number of runs.
    return float(optimize.brentq(lack, 1.0, 2 * critical)) * math.sqrt(1.0 / first + 1.0 / other)


def pooled_deviation(first: Array, second: Array) -> float:
    """Pooled standard deviation of two samples, ``sqrt(((n-1) s^2 + (m-1) t^2) / (n + m - 2))``.

    :param first: one score per run
    :param second: one score per run
    :return: NaN when neither has two runs
    """
    freedom = len(first) + len(second) - 2
    squares = sum(float(np.sum((sample - np.mean(sample)) ** 2)) for sample in (first, second))
    return math.sqrt(squares / freedom) if freedom > 0 else float("nan")


def detectable(scores: Mapping[tuple[str, str], Array], baseline: str) -> dict[tuple[str, str], Detectable]:
    """Say for every arm and environment what its comparison with the baseline can detect.

    :param scores: one score per run, by (arm, environment)
    :param baseline: the arm that the others are compared with
    :return: by (arm, environment); absent where the baseline is
    """
    found = {}
    for (arm, environment), first in scores.items():
        second = scores.get((baseline, environment))
        if arm != baseline and second is not None:
            deviations = detectable_effect(len(first), len(second))
            found[arm, environment] = Detectable(deviations, deviations * pooled_deviation(first, second))
    return found
