"""Falls of a policy that had learned, and recovery from them: pure functions on the evaluations of a run.

All is said on the way from the random score (0) to the reference score (1).

- The best of a run is the running maximum of the median of 3 consecutive evaluations.
- A run has climbed once its best has reached 0.25.
- A fall is two evaluations in a row of a run that has climbed, both below half of its best by more than 2 standard
  errors of the evaluation. It begins with the first of the two.
- A fall is over with the first later evaluation above 0.9 times the best; only then can the next one begin.

Evaluations need at least 10 episodes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from sb3_ppo_variants.bench.statistics.intervals import Array

EPISODES = 10
CLIMBED = 0.25
FALLEN = 0.5
RECOVERED = 0.9
ERRORS = 2.0
SIMULATIONS = 1_000


class Fall(NamedTuple):
    """One fall of a run.

    :param start: environment steps at its first evaluation
    :param duration: environment steps until recovery, or until the last evaluation when there was none
    :param recovered: whether there was a recovery
    """

    start: float
    duration: float
    recovered: bool


@dataclass(frozen=True)
class RunStability:
    """Stability of one run.

    :param best: the best at its end, 0 for the random and 1 for the reference score; NaN below 3 evaluations
    :param climbed: whether it ever climbed
    :param falls: its falls, in order
    """

    best: float
    climbed: bool
    falls: tuple[Fall, ...]


class RunEvaluations(NamedTuple):
    """The evaluations of one run, arrays of shape ``(evaluations,)``.

    :param steps: environment steps, ascending
    :param means: mean return
    :param stds: standard deviation of the returns, with the number of episodes as divisor
    :param episodes: number of episodes
    """

    steps: Array
    means: Array
    stds: Array
    episodes: Array


def run_stability(run: RunEvaluations, low: float, high: float) -> RunStability:
    """Find the falls of one run.

    :param run: its evaluations
    :param low: random score
    :param high: reference score; a reference below the random score turns the direction round
    :raises ValueError: for fewer than 10 episodes in an evaluation, arrays of different lengths, equal scores
    """
    _check(run, low, high)
    means, errors = _on_the_way(run, low, high)
    best = _best(means)
    fallen = _fallen(means, errors, best)
    falls: list[Fall] = []
    place = 0
    while (begin := _first(fallen, place)) is not None:
        end = _first(means > RECOVERED * best, begin + 1)
        place = len(means) - 1 if end is None else end
        falls.append(Fall(float(run.steps[begin]), float(run.steps[place] - run.steps[begin]), end is not None))
    if len(means) < 3:
        return RunStability(float("nan"), False, ())
    return RunStability(float(best[-1]), bool(best[-1] >= CLIMBED), tuple(falls))


def median_recovery(falls: Sequence[Fall]) -> float:
    """Steps after which half of the falls are over, by Kaplan and Meier's estimate of the share that goes on.

    :param falls: falls of any runs; those never recovered from are censored at their last evaluation
    :return: infinity when the estimate never comes down to one half, NaN without falls
    """
    if not falls:
        return float("nan")
    durations = np.array([fall.duration for fall in falls])
    recovered = np.array([fall.recovered for fall in falls])
    going_on = stats.ecdf(stats.CensoredData.right_censored(durations, ~recovered)).sf
    half = going_on.quantiles[going_on.probabilities <= 0.5 + 1e-12]
    return float(half[0]) if len(half) else float("inf")


def false_falls(level: float, deviation: float, episodes: int, *, evaluations: int, seed: int) -> float:
    """Share of 1 000 simulated runs of a policy that never changes in which the definition sees a fall.

    :param level: true mean return of the policy, 0 for the random and 1 for the reference score
    :param deviation: standard deviation of its returns, which are drawn from a normal distribution
    :param episodes: episodes per evaluation
    :param evaluations: evaluations per run
    :param seed: seed of the simulation
    """
    noise, spread = _standard_evaluations(episodes, evaluations, seed)
    means = level + deviation / np.sqrt(episodes) * noise
    errors = deviation * spread
    return float(np.mean(_fallen(means, errors, _best(means)).any(axis=-1)))


@functools.lru_cache(maxsize=8)
def _standard_evaluations(episodes: int, evaluations: int, seed: int) -> tuple[Array, Array]:
    """Draw standardised mean returns and standard errors of many runs, which all runs of a study share."""
    rng = np.random.default_rng(seed)
    shape = (SIMULATIONS, evaluations)
    # Mean and variance of a normal sample are independent.
    noise = rng.standard_normal(shape)
    return noise, np.sqrt(rng.chisquare(episodes - 1, shape) / (episodes - 1) / episodes)


def _check(run: RunEvaluations, low: float, high: float) -> None:
    if len({len(values) for values in run}) > 1:
        raise ValueError(f"run: steps, means, stds, episodes have the lengths {[len(values) for values in run]}")
    if len(run.episodes) and min(run.episodes) < EPISODES:
        raise ValueError(f"run: evaluations of {min(run.episodes)} episodes, at least {EPISODES} are needed")
    if low == high:
        raise ValueError(f"low and high are both {low}, they must differ")


def _on_the_way(run: RunEvaluations, low: float, high: float) -> tuple[Array, Array]:
    """Return means and standard errors on the way from the random to the reference score."""
    errors = run.stds / np.sqrt(run.episodes - 1)
    return (run.means - low) / (high - low), errors / abs(high - low)


def _best(means: Array) -> Array:
    """Running maximum of the median of 3 along the last axis; minus infinity before the third evaluation."""
    best = np.full(means.shape, -np.inf)
    first, second, third = means[..., :-2], means[..., 1:-1], means[..., 2:]
    medians = np.maximum(np.minimum(first, second), np.minimum(np.maximum(first, second), third))
    best[..., 2:] = np.maximum.accumulate(medians, axis=-1)
    return best


def _fallen(means: Array, errors: Array, best: Array) -> Any:
    """Whether a fall begins at an evaluation, along the last axis, falls that last longer included."""
    low = (best >= CLIMBED) & (means + ERRORS * errors < FALLEN * best)
    begins = np.zeros(means.shape, dtype=bool)
    begins[..., :-1] = low[..., :-1] & low[..., 1:]
    return begins


def _first(marks: Any, place: int) -> int | None:
    """Return the first marked index from a place on."""
    found = np.flatnonzero(marks[place:])
    return place + int(found[0]) if len(found) else None
