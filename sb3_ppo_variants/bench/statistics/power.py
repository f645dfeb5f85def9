"""What a number of seeds can show: the smallest difference that the decision of a study is likely to find."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sb3_ppo_variants.bench.statistics.comparisons import LEVEL, Comparison
from sb3_ppo_variants.bench.statistics.intervals import Array
from sb3_ppo_variants.bench.statistics.permutations import Counts, null_distribution

POWER = 0.8
# Studies to simulate, fewer while these have more comparisons of two runs: with many runs they vary little.
SIMULATIONS, FEWEST, COMPARISONS = 2_000, 200, 20_000_000
# Runs of an arm, up to which studies are simulated.
MANY = 100
# Comparisons in memory: 0.1 GB.
AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Detectable:
    """The smallest difference to the baseline that the test of all environments finds with a probability of 80 %.

    :param alone: environment -> the difference there, when there is none elsewhere, in standard deviations of a run;
        infinity when none is large enough
    :param scores: environment -> the same in the environment's own units, with the pooled standard deviation of both
        arms; NaN when that is not known
    :param everywhere: in standard deviations of a run, when it is as large in every environment
    """

    alone: dict[str, float]
    scores: dict[str, float]
    everywhere: float


def detectable_effect(counts: Sequence[Counts], tests: int, only: int | None = None) -> float:
    """Difference that the decision of a study finds with a probability of 80 %, in standard deviations of a run.

    The decision is that of :func:`.comparisons.compare`: the stratified permutation test over all tasks, at 5 % after
    Holm's correction, by which the first of many arms to differ needs a p-value of 5 % divided by their number. Scores
    are normal, those of the arm shifted. In each of up to 2 000 simulated studies the differences between a run of the
    baseline and one of the arm are sorted; one of them is the least shift that wins as many comparisons as the test
    needs. The result is the 80 % quantile of these shifts, to about 2 %. Its seed is fixed. With more than 100 runs the
    statistic is as good as normal: the difference follows from that of 100 runs and falls with the square root.

    :param counts: for each task the numbers of runs of the arm and of the baseline, each at least 1
    :param tests: number of arms that are compared with the baseline, at least 1
    :param only: the task that has the difference; by default every task has
    :return: infinity when no difference is found so often
    :raises ValueError: without a task, or for a number of runs or tests below 1
    """
    if not counts or min(min(pair) for pair in counts) < 1:
        raise ValueError(f"counts={list(counts)} must be pairs of numbers of runs, 1 or more, one for each task")
    if tests < 1:
        raise ValueError(f"tests={tests} must be a number of tests, 1 or more")
    chosen = range(len(counts)) if only is None else [only]
    factor = max(1.0, min(min(pair) for pair in counts) / MANY)
    simulated = [(round(n / factor), round(m / factor)) for n, m in counts]
    shifted = tuple(sorted(simulated[task] for task in chosen))
    others = tuple(sorted(pair for task, pair in enumerate(simulated) if task not in chosen))
    return _detectable(shifted, others, tests) / math.sqrt(factor)


@functools.lru_cache(maxsize=1024)
def _detectable(shifted: tuple[Counts, ...], others: tuple[Counts, ...], tests: int) -> float:
    counts = [*shifted, *others]
    null = null_distribution([range(2, 2 * (n + m) + 1, 2) for n, m in counts], counts)
    needed = null.critical(LEVEL / tests)
    if needed is None:
        return math.inf
    studies = min(SIMULATIONS, max(FEWEST, COMPARISONS // sum(n * m for n, m in counts)))
    at_once = max(1, AT_ONCE // sum(n * m for n, m in counts))
    rng = np.random.default_rng(0)
    numbers = [min(at_once, studies - start) for start in range(0, studies, at_once)]
    shifts = np.concatenate([_least_shifts(rng, number, shifted, others, needed / null.largest) for number in numbers])
    return float(np.quantile(shifts, POWER, method="higher"))


def _least_shifts(
    rng: np.random.Generator,
    studies: int,
    shifted: Sequence[Counts],
    others: Sequence[Counts],
    needed: float,
) -> Array:
    """Return the least shift of the first arm in the shifted tasks with which each study wins the needed shares.

    :param needed: sum over all tasks of the shares of comparisons that are won
    """
    gaps = [rng.standard_normal((studies, m, 1)) - rng.standard_normal((studies, 1, n)) for n, m in (*shifted, *others)]
    count = len(shifted)
    found = sum((np.mean(of_task < 0, axis=(1, 2)) for of_task in gaps[count:]), np.zeros(studies))
    places = np.concatenate([of_task.reshape(studies, -1) for of_task in gaps[:count]], axis=1)
    adds = np.concatenate([np.full(n * m, 1 / (n * m)) for n, m in shifted])
    order = np.argsort(places, axis=1)
    # What sums round is not below the number that is needed.
    reached = found[:, None] + np.cumsum(adds[order], axis=1) >= needed - 1e-9
    ascending = np.take_along_axis(places, order, axis=1)
    first = np.take_along_axis(ascending, np.argmax(reached, axis=1)[:, None], axis=1)[:, 0]
    return np.where(reached[:, -1], first, np.inf)


def pooled_deviation(first: Array, second: Array) -> float:
    """Pooled standard deviation of two samples, ``sqrt(((n-1) s^2 + (m-1) t^2) / (n + m - 2))``.

    :param first: one score per run
    :param second: one score per run
    :return: NaN when neither has two runs
    """
    freedom = len(first) + len(second) - 2
    # The mean of equal numbers may round to another one.
    squares = sum(float(np.sum((sample - np.mean(sample)) ** 2)) for sample in (first, second) if np.ptp(sample))
    return math.sqrt(squares / freedom) if freedom > 0 else float("nan")


def detectable(
    scores: Mapping[tuple[str, str], Array], comparisons: Mapping[str, Comparison], baseline: str
) -> dict[str, Detectable]:
    """Say for every arm what its comparison with the baseline can detect.

    :param scores: one score per run, by (arm, environment)
    :param comparisons: arm -> its comparison
    :param baseline: the arm that the others are compared with
    :return: by arm; absent where no environment has both
    """
    compared = {arm: comparison.environments for arm, comparison in comparisons.items() if comparison.environments}
    found = {}
    for arm, environments in compared.items():
        counts = [(len(scores[arm, name]), len(scores[baseline, name])) for name in environments]
        alone = {name: detectable_effect(counts, len(compared), only=i) for i, name in enumerate(environments)}
        deviations = {name: pooled_deviation(scores[arm, name], scores[baseline, name]) for name in environments}
        found[arm] = Detectable(
            alone=alone,
            scores={name: alone[name] * deviations[name] if deviations[name] else 0.0 for name in environments},
            everywhere=detectable_effect(counts, len(compared)),
        )
    return found
