"""The distribution of the probability of improvement when labels of arms are drawn anew within each task."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import signal, stats

from sb3_ppo_variants.bench.statistics.intervals import Array

# Values of the statistic, and additions up to which the distribution of a task is computed: those of 53 runs an arm.
VALUES, ADDITIONS = 2**18, 2**26
# Number of runs of an arm and of the baseline in a task.
Counts = tuple[int, int]


@dataclass(frozen=True)
class Null:
    """Distribution of the statistic, which is a whole number from 0 to ``greatest``; its half is the mean.

    The statistic is the probability of improvement times ``greatest``. With ``n`` and ``m`` runs a task adds twice
    Mann-Whitney's U, a whole number from 0 to ``2 n m``, times ``largest / (2 n m)``, rounded. The largest number that
    a task may add is twice the least common multiple of all ``n m``, so that nothing needs rounding, or a smaller one
    where the statistic would have more than 2^18 values.

    :param comparisons: ``n m`` of each task
    :param largest: what an arm adds that wins every comparison of a task; even
    :param probabilities: of each value from 0 to ``greatest``; None where they would need too many additions
    :param deviation: standard deviation
    """

    comparisons: list[int]
    largest: int
    probabilities: Array | None
    deviation: float

    @property
    def greatest(self) -> int:
        """The statistic of an arm that wins every comparison."""
        return self.largest * len(self.comparisons)

    def statistic(self, won: Sequence[int]) -> int:
        """The statistic of an observation.

        :param won: for each task twice Mann-Whitney's U
        """
        parts = (int(self.added(np.array(twice), n_m)) for twice, n_m in zip(won, self.comparisons, strict=True))
        return sum(parts)

    def added(self, won: npt.NDArray[np.int64], comparisons: int) -> npt.NDArray[np.int64]:
        """What a task adds to the statistic. Its rounding is symmetric, since the largest number is even.

        :param won: twice Mann-Whitney's U, any shape
        :param comparisons: of the task
        """
        parts: npt.NDArray[np.int64] = np.rint(won * (self.largest / (2 * comparisons))).astype(np.int64)
        return parts

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


def is_exact(counts: Sequence[Counts]) -> bool:
    """Whether the distribution of the statistic is computed; with more runs it is taken to be normal.

    :param counts: for each task the numbers of runs of both arms
    """
    return all(_additions(*count) <= ADDITIONS for count in counts)


def null_distribution(ranks: Sequence[Sequence[int]], counts: Sequence[Counts]) -> Null:
    """Distribution of the statistic over all relabellings within tasks, which are equally probable.

    One convolution per task of the distributions of its rank sum, which Streitberg and Roehmel's (1986) shift algorithm
    gives with ties too. scipy has the distribution of one task without ties (``scipy.stats.mannwhitneyu``).

    :param ranks: for each task twice the midranks of all runs of both arms
    :param counts: for each task the numbers of runs of both arms
    """
    comparisons = [n * m for n, m in counts]
    largest = min(2 * math.lcm(*comparisons), (VALUES - 1) // len(counts) // 2 * 2)
    variances = [
        (largest / (2 * n_m)) ** 2 * _variance(of_task, *count)
        for n_m, of_task, count in zip(comparisons, ranks, counts, strict=True)
    ]
    null = Null(comparisons, largest, None, math.sqrt(sum(variances)))
    if not is_exact(counts):
        return null
    exact = np.ones(1)
    for n_m, of_task, count in zip(comparisons, ranks, counts, strict=True):
        spread = np.zeros(largest + 1)
        np.add.at(spread, null.added(np.arange(2 * n_m + 1), n_m), _rank_sums(tuple(sorted(of_task)), *count))
        exact = np.maximum(signal.convolve(exact, spread), 0.0)
    return replace(null, probabilities=exact)


def _additions(n: int, m: int) -> int:
    """Those of :func:`_rank_sums`: each of n + m ranks is added to up to n others, in 2 n (n + m) sums."""
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
