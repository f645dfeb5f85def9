from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import trim_mean

from sb3_ppo_variants.bench.statistics.aggregates import (
    aggregate,
    iqm,
    median_interval,
    optimality_gap,
    profile,
    thresholds,
)
from sb3_ppo_variants.bench.statistics.intervals import Array, mean_interval

UNEQUAL = [np.array([0.0, 1.0]), np.array([0.5]), np.array([2.0, 2.0, 2.0, 4.0])]


def test_iqm_of_equal_tasks_by_hand() -> None:
    # Eight runs of weight 1/8: two are dropped from each end, (3 + 4 + 5 + 6) / 4 remains.
    assert iqm(np.array([1.0, 3.0, 5.0, 7.0]), np.array([8.0, 6.0, 4.0, 2.0])) == 4.5


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_iqm_weights_tasks_equally_by_hand(sign: float) -> None:
    # Weights: 1/2 for the 0, 1/8 for the others. From below nothing goes (1/2 > 1/4); from above 4 (1/8) and 3 (1/4).
    # (0 * 1/2 + 1 * 1/8 + 2 * 1/8) / (3/4) = 1/2. Without weights it would be 2. With the other sign all is reversed.
    found = iqm(np.array([0.0]), sign * np.array([1.0, 2.0, 3.0, 4.0]))
    assert found == pytest.approx(sign * 0.5, abs=1e-15)


def test_iqm_drops_the_lighter_of_equal_scores_by_hand() -> None:
    # Weights: 1/8 for the runs of the first task, 1/2 for that of the second. From below the 0 of 1/8 goes, from above
    # two of the 1: (0 * 1/2 + 1 * 1/8) / (5/8) = 1/5. In the second row two of the 0 go: (1/8 + 1/2) / (3/4) = 5/6.
    light, heavy = np.array([[0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]]), np.array([[0.0], [1.0]])
    assert iqm(light, heavy) == pytest.approx([0.2, 5 / 6], abs=1e-15)
    assert iqm(heavy, light) == pytest.approx([0.2, 5 / 6], abs=1e-15)


# Sums of whole numbers have no rounding, so the two are the same float.
@given(st.integers(1, 5), st.integers(1, 12), st.data())
def test_iqm_is_the_trimmed_mean_when_tasks_have_equal_numbers_of_runs(
    tasks: int, runs: int, data: st.DataObject
) -> None:
    matrix = data.draw(arrays(np.float64, (tasks, runs), elements=st.integers(-999, 999)))
    assert iqm(*matrix) == trim_mean(matrix.ravel(), 0.25)


# Whole numbers, so that no rounding makes two different scores equal: then another run would be dropped.
@given(st.lists(st.lists(st.integers(-99, 99), min_size=1, max_size=6), min_size=1, max_size=4), st.integers(1, 9))
def test_iqm_lies_within_the_scores_and_moves_with_them(tasks: list[list[int]], factor: int) -> None:
    samples = [np.array(task, dtype=float) for task in tasks]
    value = iqm(*samples)
    everything = np.concatenate(samples)
    assert everything.min() - 1e-9 <= value <= everything.max() + 1e-9
    assert iqm(*reversed(samples)) == pytest.approx(value, abs=1e-9)
    assert iqm(*(factor * sample + 1.0 for sample in samples)) == pytest.approx(factor * value + 1.0, abs=1e-6)


@pytest.mark.parametrize("second", [np.arange(6.0).reshape(3, 2), np.arange(12.0)[::-1].reshape(3, 4)])
def test_iqm_works_along_an_axis_the_last_by_default(second: Array) -> None:
    first = np.arange(12.0).reshape(3, 4)
    rows = [iqm(first[i], second[i]) for i in range(3)]
    assert iqm(first, second) == pytest.approx(rows)
    assert iqm(first.T, second.T, axis=0) == pytest.approx(rows)


def test_aggregates_of_unequal_tasks_by_hand() -> None:
    # Means of the tasks: 1/2, 1/2, 5/2. Cut at 1 they are 1/2, 1/2, 1.
    assert median_interval(*UNEQUAL).value == 0.5
    assert mean_interval(*UNEQUAL).value == pytest.approx(3.5 / 3, abs=1e-15)
    assert optimality_gap(*UNEQUAL).value == pytest.approx(1.0 - 2.0 / 3, abs=1e-15)


def test_the_interval_of_a_median_by_hand() -> None:
    # Of three tasks with the intervals [1, 1], [2 - 2.484138, 2 + 2.484138] and [4, 4] the bounds are 1 and 4.
    tasks = [np.ones(3), np.array([1.0, 2.0, 3.0]), np.full(3, 4.0)]
    assert median_interval(*tasks) == (2.0, 1.0, 4.0)
    # Of one task it is that of the mean.
    assert median_interval(tasks[1]) == mean_interval(tasks[1])


def test_the_interval_of_an_optimality_gap_by_hand() -> None:
    # The mean of 0, 1/2 and 1, which 2 counts as, is 1/2 with a deviation of 1/2: 1/2 +- 4.302653 / sqrt(12), and a gap
    # is never below 0.
    assert optimality_gap(np.array([0.0, 0.5, 2.0])) == pytest.approx((0.5, 0.0, 1.742069), abs=1e-6)
    # Half of these scores: 1/4 +- 4.302653 / sqrt(48), which reaches up to 0.871035.
    assert optimality_gap(np.array([0.0, 0.25, 0.5])) == pytest.approx((0.75, 0.128965, 1.371035), abs=1e-6)


def test_intervals_of_one_task_by_hand() -> None:
    # Two runs: a resample is (0, 0), (0, 1), (1, 0) or (1, 1), its interquartile mean 0, 1/2, 1/2 or 1. With a quarter
    # of the resamples at each end, the interval reaches from 0 to 1.
    found = aggregate([np.array([0.0, 1.0])], 500, seed=0)
    assert found.iqm == (0.5, 0.0, 1.0)
    assert found.mean == found.median == mean_interval(np.array([0.0, 1.0]))


def test_a_result_is_not_changed_later() -> None:
    found = aggregate([np.array([0.0, 1.0])], 20, seed=0)
    with pytest.raises(FrozenInstanceError):
        found.iqm = found.mean  # type: ignore[misc]


def test_nothing_known_without_a_task_and_of_what_is_no_number() -> None:
    assert math.isnan(aggregate([], 200, seed=0).iqm.value)
    found = aggregate([np.array([0.0, 0.1, 0.2, 0.3, 0.4, float("nan")])], 200, seed=0)
    assert all(math.isnan(part) for estimate in vars(found).values() for part in estimate)
    # Not even where the interquartile mean of unequal tasks would drop it.
    assert math.isnan(iqm(np.array([0.0, 0.1, 0.2, 0.3, 0.4, float("nan")]), np.zeros(3)))


def test_profile_by_hand() -> None:
    # Above 0: one of two, one of one, four of four, in the mean 5/6. Above 1: 0, 0, all. A score is not above itself.
    found = profile(UNEQUAL, np.array([0.0, 0.5, 1.0, 2.0, 4.0]))
    assert found.x == (0.0, 0.5, 1.0, 2.0, 4.0)
    assert found.value == pytest.approx((5 / 6, 0.5, 1 / 3, 1 / 12, 0.0), abs=1e-15)


def test_profile_bands_by_hand() -> None:
    # Shares of two runs: of both 2 / (2 + z^2) = 0.342380 at least, of one 1/2 +- 0.405469.
    found = profile([np.array([0.0, 1.0])], np.array([-1.0, 0.5, 1.0]))
    assert found.value == (1.0, 0.5, 0.0)
    assert found.low == pytest.approx((0.342380, 0.094531, 0.0), abs=1e-6)
    assert found.high == pytest.approx((1.0, 0.905469, 0.657620), abs=1e-6)
    assert np.isnan(profile([np.array([0.0, float("nan")])], np.array([0.5])).value).all()


def test_thresholds_reach_over_all_scores() -> None:
    at = thresholds([np.array([-0.5, 0.2]), np.array([float("inf"), 1.5])])
    assert (at[0], at[-1], len(at)) == (-0.5, 1.5, 101)
    assert (thresholds([])[0], thresholds([])[-1]) == (0.0, 1.0)
