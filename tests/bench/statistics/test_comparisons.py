from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from sb3_ppo_variants.bench.statistics.comparisons import (
    compare,
    holm,
    improvement_interval,
    least_p_value,
    permutation_test,
    probability_of_improvement,
)

NAN = float("nan")
scores = st.floats(-1e3, 1e3, width=32)
LOW, HIGH = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])


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
    first = [rng.normal(size=5), rng.normal(size=6)]
    second = [rng.normal(size=4), rng.normal(size=5)]
    assert improvement_interval(first, second, 500, seed=3) == improvement_interval(first, second, 500, seed=3)
    assert improvement_interval(first, second, 500, seed=3) != improvement_interval(first, second, 500, seed=4)


def test_no_interval_with_one_run_in_a_task() -> None:
    improvement = improvement_interval([np.array([2.0])], [np.array([1.0, 0.0])], 200, seed=0)
    assert improvement.value == 1.0
    assert math.isnan(improvement.high)


def test_p_values_by_hand() -> None:
    # Three against three have 20 relabellings, two of which separate them: 0.1. On two tasks: 2 in 400. The standard
    # error of 9 999 draws is 0.0044 and 0.001.
    assert permutation_test([HIGH], [LOW], seed=0) == pytest.approx(0.1, abs=0.02)
    assert permutation_test([LOW], [HIGH], seed=0) == pytest.approx(0.1, abs=0.02)
    assert permutation_test([HIGH, HIGH], [LOW, LOW], seed=0) == pytest.approx(0.005, abs=0.004)
    # A win on one task and a loss on the other are nothing.
    assert permutation_test([HIGH, LOW], [LOW, HIGH], seed=0) == 1.0
    assert permutation_test([LOW], [LOW], seed=0) == 1.0
    assert permutation_test([np.ones(5)], [np.ones(3)], seed=0) == 1.0


@given(st.lists(st.integers(0, 10**6), min_size=4, max_size=10, unique=True), st.integers(1, 3))
def test_on_one_task_it_is_mann_whitneys_test(values: list[int], first: int) -> None:
    sample = np.array(values, dtype=float)
    exact = mannwhitneyu(sample[:first], sample[first:], method="exact").pvalue
    # Five standard errors of 9 999 draws.
    assert permutation_test([sample[:first]], [sample[first:]], seed=0) == pytest.approx(exact, abs=0.05)


def test_equal_arms_are_rarely_found_different() -> None:
    rng = np.random.default_rng(0)
    draws = [[rng.normal(size=5), 10 * rng.normal(size=4)] for _ in range(400)]
    p_values = np.array([permutation_test(draws[i], draws[i + 1], seed=i) for i in range(0, 400, 2)])
    # 200 tests at 5 %: 10 expected, 20 is more than three standard deviations above.
    assert 0 < np.sum(p_values <= 0.05) <= 20


def test_least_p_value_by_hand() -> None:
    assert least_p_value([HIGH], [LOW]) == 2 / 20
    assert least_p_value([HIGH, HIGH], [LOW, LOW]) == 2 / 400
    assert least_p_value([np.ones(1)], [np.ones(1)]) == 1.0
    assert least_p_value([np.ones(20)], [np.ones(20)]) == 2 / 10_000


def test_no_test_without_tasks_or_numbers() -> None:
    assert math.isnan(permutation_test([], [], seed=0))
    assert math.isnan(permutation_test([np.array([1.0, NAN])], [LOW], seed=0))


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.03, 0.04, times 3, 2, 1: 0.03, 0.06, 0.04, and the last may not be below the one before.
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert list(found) == ["a", "b", "c"]
    assert holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}
    # An arm that was not tested costs the others nothing.
    some = holm({"a": 0.02, "b": NAN})
    assert some["a"] == 0.02
    assert math.isnan(some["b"])


def test_compare_by_hand() -> None:
    found = compare(
        {
            ("ppo", "A"): np.arange(8.0),
            ("ppo", "B"): np.arange(8.0),
            ("better", "A"): np.arange(8.0) + 10,
            ("better", "B"): np.arange(8.0) + 10,
            ("same", "A"): np.arange(8.0),
        },
        ["ppo", "better", "same", "absent"],
        ["A", "B"],
        "ppo",
        200,
        seed=0,
    )
    assert list(found) == ["better", "same", "absent"]
    assert found["better"].improvement == (1.0, 1.0, 1.0)
    # The smallest p-value possible, times the two arms that were tested.
    assert (found["better"].p_value, found["better"].adjusted_p_value) == (0.0002, 0.0004)
    assert found["better"].differs
    assert found["same"].adjusted_p_value == 1.0
    assert not found["same"].differs
    assert (found["same"].environments, found["same"].excluded) == (["A"], ["B"])
    assert math.isnan(found["absent"].adjusted_p_value)
    assert not found["absent"].differs
