from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import trim_mean

from sb3_ppo_variants.bench.stats import (
    improvement_interval,
    iqm,
    iqm_interval,
    mean_band,
    mean_interval,
    normalise,
    probability_of_improvement,
)

scores = st.floats(-1e3, 1e3, width=32)


def test_mean_interval_by_hand() -> None:
    # sd 1, standard error 1/sqrt(3); the 97.5 % point of Student's t with 2 degrees of freedom is 4.302653.
    estimate = mean_interval(np.array([1.0, 2.0, 3.0]))
    assert estimate.value == 2.0
    assert estimate.low == pytest.approx(2.0 - 2.484138, abs=1e-6)
    assert estimate.high == pytest.approx(2.0 + 2.484138, abs=1e-6)


def test_mean_interval_of_equal_values_and_of_one() -> None:
    assert mean_interval(np.array([5.0, 5.0])) == (5.0, 5.0, 5.0)
    alone = mean_interval(np.array([5.0]))
    assert alone.value == 5.0
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)


def test_normalise_by_hand() -> None:
    assert normalise(np.array([20.0, 260.0, 500.0]), 20.0, 500.0).tolist() == [0.0, 0.5, 1.0]
    assert normalise(np.array([3.0, 3.0]), 3.0, 3.0).tolist() == [0.0, 0.0]


def test_iqm_of_equal_tasks_by_hand() -> None:
    # Eight runs of weight 1/8: two are dropped from each end, (3 + 4 + 5 + 6) / 4 remains.
    assert iqm(np.array([1.0, 3.0, 5.0, 7.0]), np.array([8.0, 6.0, 4.0, 2.0])) == 4.5


def test_iqm_weights_tasks_equally_by_hand() -> None:
    # Weights: 1/2 for the 0, 1/8 for the others. From below nothing goes (1/2 > 1/4); from above 4 (1/8) and 3 (1/4).
    # (0 * 1/2 + 1 * 1/8 + 2 * 1/8) / (3/4) = 1/2. Without weights it would be 2.
    assert iqm(np.array([0.0]), np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(0.5, abs=1e-15)


@given(st.integers(1, 5), st.integers(1, 12), st.data())
def test_iqm_is_the_trimmed_mean_when_tasks_have_equal_numbers_of_runs(
    tasks: int, runs: int, data: st.DataObject
) -> None:
    matrix = data.draw(arrays(np.float64, (tasks, runs), elements=scores))
    assert iqm(*matrix) == pytest.approx(trim_mean(matrix.ravel(), 0.25), rel=1e-9, abs=1e-9)


# Whole numbers, so that no rounding makes two different scores equal: then another run would be dropped.
@given(st.lists(st.lists(st.integers(-99, 99), min_size=1, max_size=6), min_size=1, max_size=4), st.integers(1, 9))
def test_iqm_lies_within_the_scores_and_moves_with_them(tasks: list[list[int]], factor: int) -> None:
    samples = [np.array(task, dtype=float) for task in tasks]
    value = iqm(*samples)
    everything = np.concatenate(samples)
    assert everything.min() - 1e-9 <= value <= everything.max() + 1e-9
    assert iqm(*reversed(samples)) == pytest.approx(value, abs=1e-9)
    assert iqm(*(factor * sample + 1.0 for sample in samples)) == pytest.approx(factor * value + 1.0, abs=1e-6)


def test_iqm_works_along_an_axis() -> None:
    first, second = np.arange(12.0).reshape(3, 4), np.arange(6.0).reshape(3, 2)
    rows = [iqm(first[i], second[i]) for i in range(3)]
    assert iqm(first, second, axis=-1) == pytest.approx(rows)
    assert iqm(first.T, second.T, axis=0) == pytest.approx(rows)


def test_probability_of_improvement_by_hand() -> None:
    # First task: of nine pairs two are won (3 over 2, twice) and two are ties: U = 3. Second task: both pairs are won.
    tasks = [np.array([1.0, 2.0, 3.0]), np.array([5.0, 6.0]), np.array([2.0, 2.0, 4.0]), np.array([1.0])]
    assert probability_of_improvement(*tasks) == pytest.approx((3 / 9 + 1.0) / 2, abs=1e-15)


@given(st.lists(scores, min_size=1, max_size=6), st.lists(scores, min_size=1, max_size=6))
def test_probability_of_improvement_counts_pairs(first: list[float], second: list[float]) -> None:
    wins = sum((a > b) + 0.5 * (a == b) for a in first for b in second)
    x, y = np.array(first), np.array(second)
    assert probability_of_improvement(x, y) == pytest.approx(wins / (len(first) * len(second)), abs=1e-12)
    assert probability_of_improvement(x, y) + probability_of_improvement(y, x) == pytest.approx(1.0, abs=1e-12)


def test_intervals_are_seeded() -> None:
    rng = np.random.default_rng(0)
    tasks = [rng.normal(size=5), rng.normal(size=6)]
    others = [rng.normal(size=4), rng.normal(size=5)]
    assert iqm_interval(tasks, 500, seed=3) == iqm_interval(tasks, 500, seed=3)
    assert iqm_interval(tasks, 500, seed=3) != iqm_interval(tasks, 500, seed=4)
    assert improvement_interval(tasks, others, 500, seed=3) == improvement_interval(tasks, others, 500, seed=3)
    assert improvement_interval(tasks, others, 500, seed=3) != improvement_interval(tasks, others, 500, seed=4)


def test_each_task_is_resampled_by_itself() -> None:
    # Within each task all runs are equal, so no resample of tasks by themselves can differ; a resample over all runs
    # would.
    tasks = [np.full(4, 1.0), np.full(4, 3.0)]
    assert iqm_interval(tasks, 300, seed=0) == (2.0, 2.0, 2.0)


def test_interval_of_one_task_by_hand() -> None:
    # Two runs: a resample is (0, 0), (0, 1), (1, 0) or (1, 1), its interquartile mean 0, 1/2, 1/2 or 1. With a quarter
    # of the resamples at each end, the 95 % interval reaches from 0 to 1.
    assert iqm_interval([np.array([0.0, 1.0])], 500, seed=0) == (0.5, 0.0, 1.0)


def test_mean_band_by_hand() -> None:
    # First point: the runs agree. Second point: a resample of 0 and 1 has the mean 0, 1/2 or 1.
    band = mean_band(np.array([[5.0, 0.0], [5.0, 1.0]]), 500, seed=0)
    assert band.tolist() == [[5.0, 0.5], [5.0, 0.0], [5.0, 1.0]]
    alone = mean_band(np.array([[5.0, 0.0]]), 500, seed=0)
    assert alone[0].tolist() == [5.0, 0.0]
    assert np.isnan(alone[1:]).all()


def test_no_interval_with_one_run_in_a_task() -> None:
    estimate = iqm_interval([np.array([1.0, 2.0]), np.array([3.0])], 200, seed=0)
    assert estimate.value == pytest.approx(iqm(np.array([1.0, 2.0]), np.array([3.0])))
    assert math.isnan(estimate.low)
    improvement = improvement_interval([np.array([2.0])], [np.array([1.0, 0.0])], 200, seed=0)
    assert improvement.value == 1.0
    assert math.isnan(improvement.high)
    assert math.isnan(iqm_interval([], 200, seed=0).value)
