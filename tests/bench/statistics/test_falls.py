from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from sb3_ppo_variants.bench.statistics import falls
from sb3_ppo_variants.bench.statistics.falls import Fall, RunEvaluations, false_falls, median_recovery, run_stability
from sb3_ppo_variants.bench.statistics.intervals import Array


def run(means: list[float], std: float = 0.0, episodes: int = 10) -> RunEvaluations:
    """A run evaluated every 100 steps."""
    count = len(means)
    steps: Array = np.linspace(100.0, 100.0 * count, count)
    return RunEvaluations(steps, np.array(means, dtype=float), np.full(count, std), np.full(count, episodes))


def test_a_run_that_falls_and_recovers() -> None:
    # Medians of 3: 50, then 60. Half of the best is 30: 20 and 20 are a fall. 90 % of it is 54: 40 is no recovery.
    found = run_stability(run([10, 50, 60, 60, 60, 20, 20, 40, 58, 60]), low=0.0, high=100.0)
    assert found.best == 0.6
    assert found.climbed
    assert found.falls == (Fall(start=600.0, duration=300.0, recovered=True),)


def test_a_run_that_never_recovers() -> None:
    found = run_stability(run([60, 60, 60, 20, 20, 40, 20, 20, 50]), low=0.0, high=100.0)
    # 40 and 50 are back above half but below 90 % of the best: the second pair of 20 is the same fall.
    assert found.falls == (Fall(start=400.0, duration=500.0, recovered=False),)


def test_the_next_fall_comes_after_recovery_only() -> None:
    found = run_stability(run([60, 60, 60, 20, 20, 58, 20, 20]), low=0.0, high=100.0)
    assert found.falls == (Fall(400.0, 200.0, True), Fall(700.0, 100.0, False))


def test_a_run_that_never_climbs() -> None:
    # Medians of 3 never reach 25: one good evaluation is none of them.
    found = run_stability(run([24, 24, 24, 90, 1, 1, 1]), low=0.0, high=100.0)
    assert found == falls.RunStability(best=0.24, climbed=False, falls=())
    # The same course with a nearer reference is a fall: half of the way to 24 is 12.
    assert run_stability(run([24, 24, 24, 90, 1, 1, 1]), low=0.0, high=90.0).falls == (Fall(500.0, 200.0, False),)


def test_one_bad_evaluation_is_no_fall() -> None:
    assert run_stability(run([60, 60, 60, 0, 60, 0, 60]), low=0.0, high=100.0).falls == ()
    assert run_stability(run([60, 60, 60, 60, 0]), low=0.0, high=100.0).falls == ()


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        # Half of a best of 0.5 is 0.25, which is not below it.
        ([50, 50, 50, 25, 25], ()),
        # A best of 0.25 has climbed.
        ([25, 25, 25, 12, 12], (Fall(400.0, 100.0, False),)),
        # 0.9 is not above 0.9 times a best of 1: recovery comes 200 steps later.
        ([100, 100, 100, 20, 20, 90, 60, 91], (Fall(400.0, 400.0, True),)),
    ],
)
def test_evaluations_at_the_limits(means: list[float], expected: tuple[Fall, ...]) -> None:
    assert run_stability(run(means), low=0.0, high=100.0).falls == expected


@pytest.mark.parametrize("low", [0.0, 100.0])
def test_noise_only(low: float) -> None:
    # A standard deviation of 30 over 10 episodes is an error of 30 / sqrt(9) = 10: 11 + 20 is not below 30, 9 + 20 is.
    means = [low + mean for mean in (60.0, 60.0, 60.0, 11.0, 11.0, 60.0)]
    assert run_stability(run(means, std=30.0), low, low + 100.0).falls == ()
    assert len(run_stability(run(means, std=0.0), low, low + 100.0).falls) == 1
    lower = [low + mean for mean in (60.0, 60.0, 60.0, 9.0, 9.0, 60.0)]
    assert len(run_stability(run(lower, std=30.0), low, low + 100.0).falls) == 1


def test_all_is_measured_from_the_random_score() -> None:
    # From -1000 to 0 a best of -400 is 0.6; half of that way is -700.
    assert len(run_stability(run([-400, -400, -400, -701, -701]), low=-1000.0, high=0.0).falls) == 1
    assert len(run_stability(run([-400, -400, -400, -699, -699]), low=-1000.0, high=0.0).falls) == 0
    # A reference below the random score: less is better.
    assert len(run_stability(run([40, 40, 40, 80, 80]), low=100.0, high=0.0).falls) == 1


@pytest.mark.parametrize("means", [[], [60.0], [60.0, 60.0]])
def test_below_three_evaluations_there_is_no_best(means: list[float]) -> None:
    found = run_stability(run(means), low=0.0, high=100.0)
    assert math.isnan(found.best)
    assert (found.climbed, found.falls) == (False, ())


def test_three_evaluations_have_a_best_which_has_climbed_at_a_quarter() -> None:
    found = run_stability(run([30, 20, 25]), low=0.0, high=100.0)
    assert found == falls.RunStability(best=0.25, climbed=True, falls=())


def test_a_result_is_not_changed_later() -> None:
    with pytest.raises(FrozenInstanceError):
        run_stability(run([60.0]), low=0.0, high=100.0).climbed = True  # type: ignore[misc]


def test_what_is_no_number_is_no_climb() -> None:
    found = run_stability(run([60, float("nan"), 60, 60, 60, 20, 20]), low=0.0, high=100.0)
    assert math.isnan(found.best)
    assert (found.climbed, found.falls) == (False, ())


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="evaluations of 9 episodes, at least 10"):
        run_stability(run([1.0], episodes=9), low=0.0, high=1.0)
    with pytest.raises(ValueError, match="low and high are both 1.0"):
        run_stability(run([1.0]), low=1.0, high=1.0)
    with pytest.raises(ValueError, match=r"lengths \[1, 2, 1, 1\]"):
        run_stability(run([1.0])._replace(means=np.zeros(2)), low=0.0, high=1.0)


def test_median_recovery_by_hand() -> None:
    # Kaplan-Meier: 3/4 after 2; the 3 is censored; of the two left one is over at 4: 3/4 * 1/2 = 3/8.
    four = [Fall(0.0, 2.0, True), Fall(0.0, 3.0, False), Fall(0.0, 4.0, True), Fall(0.0, 5.0, True)]
    assert median_recovery(four) == 4.0
    # Exactly one half counts.
    assert median_recovery([Fall(0.0, 1.0, True), Fall(0.0, 2.0, True)]) == 1.0
    assert median_recovery([Fall(0.0, 5.0, False)]) == math.inf
    # Two of five are over, the others go on: 3/5.
    assert median_recovery([Fall(0.0, 1.0, i < 2) for i in range(5)]) == math.inf
    assert math.isnan(median_recovery([]))


def test_a_constant_policy_rarely_seems_to_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two standard errors above the random score: the error of 10 episodes is 0.25.
    def rate() -> float:
        return false_falls(0.5, 0.25 * math.sqrt(10), 10, evaluations=100, seed=0)

    assert 0.0 < rate() < 0.15
    assert rate() == rate()
    monkeypatch.setattr(falls, "ERRORS", 0.0)
    assert rate() > 0.98


class Draws:
    """A generator of chosen numbers: two runs go down in the last two evaluations, the second with larger errors."""

    def standard_normal(self, shape: tuple[int, int]) -> Array:
        noise = np.zeros(shape)
        noise[:2, 3:] = -0.8
        return noise

    def chisquare(self, freedom: int, shape: tuple[int, int]) -> Array:
        multiples_of_the_mean = np.full(shape, 0.022)
        multiples_of_the_mean[1] = 0.023
        return freedom * multiples_of_the_mean


def test_the_rate_of_false_falls_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # A deviation of sqrt(10) is an error of 1 over 10 episodes, here of sqrt(0.022) or sqrt(0.023). Half of the best is
    # 0.5: 0.2 + 2 * 0.1483 in the first run is below it, 0.2 + 2 * 0.1517 in the second is not. The others stay at 1.
    def draws(seed: int) -> Any:
        return {7: Draws()}[seed]

    monkeypatch.setattr(np.random, "default_rng", draws)
    monkeypatch.setattr(falls, "_standard_evaluations", falls._standard_evaluations.__wrapped__)
    assert false_falls(level=1.0, deviation=math.sqrt(10), episodes=10, evaluations=5, seed=7) == 0.001


def test_without_noise_nothing_seems_to_fall() -> None:
    assert false_falls(1.0, 0.0, 10, evaluations=50, seed=0) == 0.0
    assert false_falls(1.0, 5.0, 10, evaluations=2, seed=0) == 0.0
