"""The distribution of the probability of improvement when labels of arms are drawn anew within each task."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import signal, stats

from sb3_ppo_variants.bench.statistics.intervals import Array

# The exact distribution is used while it has no more values, and needs no more additions for a task.
VALUES, ADDITIONS = 2**18, 2**26
# Number of runs of an arm and of the baseline in a task.
Counts = tuple[int, int]


@dataclass(frozen=True)
class Null:
    """Distribution of the statistic, which is a whole number from 0 to ``greatest``; its half is the mean.

    The statistic is the probability of improvement times ``greatest``. With tasks of ``n`` and ``m`` runs it is the sum
    of ``weight * (2 R - n (n + 1))``, where ``R`` is the sum of the midranks of the first arm, twice of which is a
    whole number, and the weight the least common multiple of all ``n m`` divided by that of the task.

    :param weights: one per task
    :param greatest: the statistic of an arm that wins every comparison
    :param probabilities: of each value from 0 to ``greatest``; None where they would be too many
    :param deviation: standard deviation
    """

    weights: list[int]
    greatest: int
    probabilities: Array | None
    deviation: float

    def p_value(self, statistic: int) -> float:
        """Twice the probability of a value at least as far on its side of the mean, at most 1.

        Where the exact distribution is not known it is the normal one with its mean and its standard deviation.

        :param statistic: the value that was observed
        """
        if self.probabilities is None:
            distance = abs(statistic - self.greatest / 2)
            # All runs of every task may be equal.
            return float(2 * stats.norm.sf(distance / self.deviation)) if self.deviation else 1.0
        sides = self.probabilities[: statistic + 1].sum(), self.probabilities[statistic:].sum()
        return min(1.0, 2 * float(min(sides)))

    def critical(self, level: float) -> int | None:
        """Least value above the mean with a p-value of at most a level; None when there is none.

        :param level: above 0, below 1
        """
        if self.probabilities is None:
            found = math.ceil(self.greatest / 2 + self.deviation * float(stats.norm.isf(level / 2)))
            return found if found <= self.greatest else None
        tails = np.cumsum(self.probabilities[::-1])[::-1]
        found = int(np.searchsorted(-tails, -level / 2 * (1 + 1e-9)))
        return found if found <= self.greatest else None


def null_distribution(ranks: Sequence[Sequence[int]], counts: Sequence[Counts]) -> Null:
    """Distribution of the statistic over all relabellings within tasks, which are equally probable.

    One convolution per task of the distributions of its rank sum, which Streitberg and Roehmel's (1986) shift algorithm
    gives with ties too. scipy has the distribution of one task without ties (``scipy.stats.mannwhitneyu``).

    :param ranks: for each task twice the midranks of all runs of both arms
    :param counts: for each task the numbers of runs of both arms
    """
    pairs = [n * m for n, m in counts]
    common = math.lcm(*pairs)
    weights = [common // product for product in pairs]
    variances = [w**2 * _variance(of_task, *count) for w, of_task, count in zip(weights, ranks, counts, strict=True)]
    greatest = 2 * common * len(counts)
    exact = None
    if greatest < VALUES and all(_additions(*count) <= ADDITIONS for count in counts):
        exact = np.ones(1)
        for weight, of_task, count in zip(weights, ranks, counts, strict=True):
            spread = np.zeros(2 * common + 1)
            spread[::weight] = _rank_sums(tuple(sorted(of_task)), *count)
            exact = np.maximum(signal.convolve(exact, spread), 0.0)
    return Null(weights, greatest, exact, math.sqrt(sum(variances)))


def _additions(n: int, m: int) -> int:
    return (n + m) * (n + 1) * (n * (n + m) * 2)


def _variance(ranks: Sequence[int], n: int, m: int) -> float:
    """Of the sum of so many ranks drawn without replacement."""
    return n * m / (n + m - 1) * float(np.var(ranks))


@functools.lru_cache(maxsize=256)
def _rank_sums(ranks: tuple[int, ...], n: int, m: int) -> Array:
    """Probabilities of the sum of n of these ranks, from n (n + 1) to n (n + 1 + 2 m)."""
    # Of each number of ranks and each sum, the number of choices so far.
    choices = np.zeros((n + 1, n * (n + 1 + 2 * m) + 1))
    choices[0, 0] = 1.0
    for rank in ranks:
        choices[1:, rank:] += choices[:-1, : choices.shape[1] - rank].copy()
    return choices[n, n * (n + 1) :] / math.comb(n + m, n)
