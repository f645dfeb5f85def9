"""A permutation test that may be looked at after every batch of runs, without more errors than one that may not."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import signal

from sb3_ppo_variants.bench.statistics.comparisons import relabelled
from sb3_ppo_variants.bench.statistics.intervals import Array

# What rounds is not below a level, as in permutations.Null.critical.
ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class Batch:
    """As many runs of an arm as of the baseline, in every task.

    :param probabilities: of each value of the statistic from 0 on, when the labels of the arms are drawn anew within
        each task; they are symmetric
    :param won: the value that was observed
    """

    probabilities: Array
    won: int

    @property
    def greatest(self) -> int:
        """The value of an arm that wins every comparison."""
        return len(self.probabilities) - 1


def batch(first: Sequence[Array], second: Sequence[Array], weight: int = 1) -> Batch:
    """Compare the runs of a batch: its statistic is a weight times twice Mann-Whitney's U, summed over the tasks.

    :param first: finite scores of an arm, one array of shape ``(runs,)`` per task
    :param second: as many scores of the baseline on the same tasks, in the same order
    :param weight: 1 or more
    :raises ValueError: for numbers of runs that differ, or are too large for the exact distribution
    """
    found = Batch(np.ones(1), 0)
    for pair in zip(first, second, strict=True):
        null, won = relabelled(*([task] for task in pair))
        if null.probabilities is None or len(pair[0]) != len(pair[1]):
            raise ValueError(f"a batch of {len(pair[0])} and {len(pair[1])} runs: give equal numbers, 50 at most")
        spread = np.zeros(weight * null.greatest + 1)
        spread[::weight] = null.probabilities
        found = Batch(_convolved(found.probabilities, spread), found.won + weight * won)
    return found


def expected_batch(share: float, runs: int, tasks: int, weight: int = 1) -> Batch:
    """Make a batch without equal scores, of which an arm wins a share of the comparisons.

    :param share: from 0 to 1
    :param runs: of each arm in each task
    :param tasks: number of tasks
    :param weight: as of :func:`batch`
    """
    distinct = _distinct_batch(runs, tasks, weight)
    return replace(distinct, won=round(share * distinct.greatest))


@functools.lru_cache(maxsize=256)
def _distinct_batch(runs: int, tasks: int, weight: int) -> Batch:
    scores = np.arange(2 * runs, dtype=float)
    return batch([scores[:runs]] * tasks, [scores[runs:]] * tasks, weight)


def sequential_p_value(batches: Sequence[Batch], shares: Sequence[float]) -> float:
    r"""P-value of all batches so far; it holds at every look, at whichever of them one stops and for whatever reason.

    Under the hypothesis of :func:`.permutation_test`, labels may be drawn anew within every batch. So the statistic
    after :math:`k` batches, the sum of theirs, is a walk with independent steps of known distributions, and has an
    exact two-sided p-value :math:`p_k`. With the shares :math:`s_k` of the error that the looks get, and
    :math:`m = \min_{j \le k} p_j / s_j` of what was observed, the result is

    .. math::

        P\Big(\min_{j \le k} \frac{p_j}{s_j} \le m\Big) + m \sum_{j > k} s_j .

    The first term is exact; it is the probability that the walk has crossed one of the bounds at which
    :math:`p_j = m s_j`. The second bounds what later looks may still add. The sum only falls from look to look, and
    after the last it is the exact p-value of the least :math:`p_j / s_j`: therefore, if nothing differs, it is at most
    :math:`u` at any look with a probability of at most :math:`u`.

    These are the group sequential permutation tests of AdaStop (Mathieu et al. 2023, arXiv:2306.10882), with
    Mann-Whitney's statistic in place of the difference of means, all relabellings in place of some that are drawn,
    and a p-value in place of a decision at one level. Bounds of equal p-values at equal shares are those of Pocock
    (1977).

    :param batches: of the looks so far, at least one
    :param shares: of all looks, above 0, with the sum 1
    """
    p_values = [_p_values(probabilities) for probabilities in _walk(batches)]
    won = np.cumsum([each.won for each in batches])
    used = shares[: len(batches)]
    smallest = min(float(of_look[at]) / share for of_look, at, share in zip(p_values, won, used, strict=True))
    going, crossed = np.ones(1), 0.0
    for each, of_look, share in zip(batches, p_values, used, strict=True):
        going = _convolved(going, each.probabilities)
        beyond = of_look <= smallest * share * ROUNDING
        crossed += float(going[beyond].sum())
        going[beyond] = 0.0
    return min(1.0, crossed + smallest * sum(shares[len(batches) :]))


def _walk(batches: Sequence[Batch]) -> Iterator[Array]:
    """Probabilities of the statistic after each batch."""
    found = np.ones(1)
    for each in batches:
        found = _convolved(found, each.probabilities)
        yield found


def _p_values(probabilities: Array) -> Array:
    """Two-sided p-value of each value of a statistic, as of :meth:`.Null.p_value`."""
    sides = np.cumsum(probabilities), np.cumsum(probabilities[::-1])[::-1]
    values: Array = np.minimum(2 * np.minimum(*sides), 1.0)
    return values


def _convolved(first: Array, second: Array) -> Array:
    # Fourier transforms leave rounding on both sides of 0.
    found: Array = np.maximum(signal.convolve(first, second), 0.0)
    return found
