from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from scipy.stats import permutation_test as permutation_statistics

from sb3_ppo_variants.bench.statistics.comparisons import (
    compare,
    compare_pair,
    compare_pairs,
    difference_interval,
    holm,
    improvement_interval,
    is_shown,
    least_p_value,
    permutation_test,
    probability_of_improvement,
)

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = ("CartPole-v1", "Pendulum-v1")
NAN, INFINITY = float("nan"), float("inf")
scores = st.floats(-1e3, 1e3, width=32)
LOW, HIGH = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])


def test_probability_of_improvement_by_hand() -> None:
    # First task: of nine pairs two are won (3 over 2, twice) and two are ties: U = 3. Second task: both pairs are won.
    first, second = [LOW, np.array([5.0, 6.0])], [np.array([2.0, 2.0, 4.0]), np.array([1.0])]
    assert probability_of_improvement(first, second) == pytest.approx((3 / 9 + 1.0) / 2, abs=1e-15)


@given(st.lists(scores, min_size=1, max_size=6), st.lists(scores, min_size=1, max_size=6))
def test_probability_of_improvement_counts_pairs(first: list[float], second: list[float]) -> None:
    wins = sum((a > b) + 0.5 * (a == b) for a in first for b in second)
    x, y = np.array(first), np.array(second)
    assert probability_of_improvement([x], [y]) == pytest.approx(wins / (len(first) * len(second)), abs=1e-12)


def test_the_interval_of_a_certain_win_has_a_width() -> None:
    # Wilson's for 3 of 3, and for 6 of 6 with two tasks: n / (n + z^2).
    assert improvement_interval([HIGH], [LOW]) == pytest.approx((1.0, 0.438503, 1.0), abs=1e-6)
    assert improvement_interval([LOW], [HIGH]) == pytest.approx((0.0, 0.0, 0.561497), abs=1e-6)
    assert improvement_interval([HIGH, HIGH], [LOW, LOW]) == pytest.approx((1.0, 0.609666, 1.0), abs=1e-6)
    # Three against one has the trials of the smaller arm.
    assert improvement_interval([HIGH], [LOW[:1]]) == pytest.approx((1.0, 0.206549, 1.0), abs=1e-6)


def test_every_pair_is_corrected_for_all_of_them() -> None:
    scores = {("a", "A"): LOW, ("b", "A"): HIGH, ("c", "A"): HIGH, ("a", "B"): LOW, ("b", "B"): HIGH}
    found = compare_pairs(scores, ["a", "b", "c"], ["A", "B"])
    # On two tasks 2 relabellings of 400, on one 2 of 20; b and c are equal.
    assert {pair: item.p_value for pair, item in found.items()} == pytest.approx(
        {("a", "b"): 0.005, ("a", "c"): 0.1, ("b", "c"): 1.0}
    )
    assert {pair: item.adjusted_p_value for pair, item in found.items()} == pytest.approx(
        {("a", "b"): 0.015, ("a", "c"): 0.2, ("b", "c"): 1.0}
    )
    assert [pair for pair, item in found.items() if item.differs] == [("a", "b")]
    assert found["a", "c"].excluded == ["B"]
    assert found["a", "b"].improvement.value == 0.0


def test_a_single_pair_is_not_corrected() -> None:
    single = compare_pair({("a", "A"): LOW, ("b", "A"): HIGH}, ["A"], "b", "a")
    assert single.p_value == single.adjusted_p_value == pytest.approx(0.1)
    assert single.improvement.value == 1.0


def test_the_interval_of_a_difference_is_welchs() -> None:
    # Means 5 and 2, standard errors 1 / sqrt(3) each: 4 degrees of freedom, Student's quantile 2.776445.
    expected = 2.776445 * math.sqrt(2 / 3)
    assert difference_interval([HIGH], [LOW]) == pytest.approx((3.0, 3.0 - expected, 3.0 + expected), abs=1e-5)


def test_p_values_by_hand() -> None:
    # Three against three have 20 relabellings, two of which separate them: 0.1. On two tasks: 2 in 400.
    assert permutation_test([HIGH], [LOW]) == pytest.approx(0.1, abs=1e-12)
    # Too small for the sums of the exact distribution: 2 of 118264581564861424 ** 7 relabellings.
    many = [np.arange(30.0)] * 7
    assert permutation_test([each + 100 for each in many], many) == pytest.approx(6.18083e-120, rel=1e-5, abs=0.0)
    assert permutation_test([LOW], [HIGH]) == pytest.approx(0.1, abs=1e-12)
    assert permutation_test([HIGH, HIGH], [LOW, LOW]) == pytest.approx(0.005, abs=1e-12)
    # A win on one task and a loss on the other are nothing.
    assert permutation_test([HIGH, LOW], [LOW, HIGH]) == 1.0
    assert permutation_test([LOW], [LOW]) == 1.0
    assert permutation_test([np.ones(5)], [np.ones(3)]) == 1.0


def test_p_values_of_unequal_tasks_by_hand() -> None:
    # One against two: U / 2 is 0, 1/2 or 1, each with 1/3. Three against three: U / 9 is 1 with 1/20. Both: 1/60.
    assert permutation_test([np.array([3.0]), HIGH], [np.array([1.0, 2.0]), LOW]) == pytest.approx(2 / 60, abs=1e-12)
    # One half and 1 sum to 3/2. So do 1 and a U of at least 5, which 10 of the 20 have: 10 + 1 of 60.
    assert permutation_test([np.array([2.0]), HIGH], [np.array([1.0, 3.0]), LOW]) == pytest.approx(22 / 60, abs=1e-12)


def test_p_values_with_ties_by_hand() -> None:
    # Midranks 2, 2, 2, 5, 5, 5: one of 20 choices has no 5, nine have one.
    assert permutation_test([np.ones(3)], [np.full(3, 2.0)]) == pytest.approx(0.1, abs=1e-12)
    assert permutation_test([np.array([1.0, 1.0, 2.0])], [np.array([1.0, 2.0, 2.0])]) == 1.0


@given(st.lists(st.integers(0, 10**6), min_size=4, max_size=12, unique=True), st.integers(1, 3))
def test_on_one_task_it_is_mann_whitneys_test(values: list[int], first: int) -> None:
    sample = np.array(values, dtype=float)
    exact = mannwhitneyu(sample[:first], sample[first:], method="exact").pvalue
    assert permutation_test([sample[:first]], [sample[first:]]) == pytest.approx(exact, abs=1e-12)


@given(st.lists(st.integers(0, 3), min_size=3, max_size=5), st.lists(st.integers(0, 3), min_size=2, max_size=4))
def test_with_ties_all_relabellings_are_counted(first: list[int], second: list[int]) -> None:
    theirs = permutation_statistics(
        (first, second), lambda a, b: np.sum(np.sign(np.subtract.outer(a, b))), n_resamples=10_000
    )
    ours = permutation_test([np.array(first, dtype=float)], [np.array(second, dtype=float)])
    assert ours == pytest.approx(theirs.pvalue, abs=1e-12)


def test_many_relabellings_have_mann_whitneys_normal_approximation(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = np.round(rng.normal(0.5, 1.0, 30), 1), np.round(rng.normal(size=25), 1)
    exact = permutation_test([x], [y])
    monkeypatch.setattr("sb3_ppo_variants.bench.statistics.permutations.ADDITIONS", 0)
    theirs = mannwhitneyu(x, y, method="asymptotic", use_continuity=False).pvalue
    assert permutation_test([x], [y]) == pytest.approx(theirs, abs=1e-12)
    assert theirs == pytest.approx(exact, abs=5e-3)
    assert permutation_test([np.ones(5)], [np.ones(3)]) == 1.0


def test_equal_arms_are_rarely_found_different() -> None:
    rng = np.random.default_rng(0)
    draws = [[rng.normal(size=5), 10 * rng.normal(size=4)] for _ in range(400)]
    p_values = np.array([permutation_test(draws[i], draws[i + 1]) for i in range(0, 400, 2)])
    # 200 tests at 5 %: 10 expected, 20 is more than three standard deviations above.
    assert 0 < np.sum(p_values <= 0.05) <= 20


def test_an_arm_near_the_line_has_one_p_value() -> None:
    """The arm kl_fixed,x10 of the study cliff: with drawn permutations it differed with a quarter of the seeds."""
    results = pd.read_csv(ROOT / "benchmarks/published/cliff/results.csv")
    last = (
        results.sort_values("timesteps")
        .groupby(["arm", "environment", "seed"])["mean_return"]
        .apply(lambda returns: returns.tail(5).mean())
    )
    arm, stock = ([last[who, name].to_numpy() for name in ENVIRONMENTS] for who in ("kl_fixed,x10", "ppo"))
    assert permutation_test(arm, stock) == pytest.approx(0.00334, abs=5e-6)


def test_least_p_value_by_hand() -> None:
    assert least_p_value([HIGH], [LOW]) == 2 / 20
    assert least_p_value([HIGH, HIGH], [LOW, LOW]) == 2 / 400
    assert least_p_value([np.ones(1)], [np.ones(1)]) == 1.0
    assert math.isnan(least_p_value([], []))
    assert least_p_value([np.ones(20)], [np.ones(20)]) == pytest.approx(2 / 137846528820)


def test_no_test_without_tasks_or_numbers() -> None:
    assert math.isnan(permutation_test([], []))
    assert math.isnan(improvement_interval([], []).value)
    for broken in (NAN, INFINITY):
        assert math.isnan(permutation_test([np.array([1.0, broken])], [LOW]))
        assert all(math.isnan(part) for part in improvement_interval([np.array([1.0, broken])], [LOW]))


def test_tasks_of_both_arms_belong_together() -> None:
    for function in (probability_of_improvement, improvement_interval, permutation_test, least_p_value):
        with pytest.raises(ValueError, match="shorter"):
            function([HIGH, HIGH], [LOW])


def test_five_percent_is_a_difference() -> None:
    at_the_line = compare({("ppo", "A"): LOW, ("mine", "A"): HIGH}, ["ppo", "mine"], ["A"], "ppo")["mine"]
    assert replace(at_the_line, adjusted_p_value=0.05).differs
    assert not replace(at_the_line, adjusted_p_value=0.0501).differs
    with pytest.raises(AttributeError):
        at_the_line.p_value = 0.0  # type: ignore[misc]


def test_a_p_value_of_the_level_is_shown() -> None:
    """Sums of probabilities in floats give 0.05 and a little."""
    assert is_shown(0.05)
    assert is_shown(0.05000000000000001)
    assert not is_shown(0.050001)
    assert not is_shown(NAN)


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
    )
    assert list(found) == ["better", "same", "absent"]
    # 16 / (16 + z^2), with eight runs on each task.
    assert found["better"].improvement == pytest.approx((1.0, 0.806392, 1.0), abs=1e-6)
    # Two of 12870^2 relabellings, times the two arms that were tested.
    assert found["better"].p_value == pytest.approx(2 / 12870**2, rel=1e-9)
    assert found["better"].adjusted_p_value == pytest.approx(4 / 12870**2, rel=1e-9)
    assert found["better"].differs
    assert found["same"].adjusted_p_value == 1.0
    assert not found["same"].differs
    assert (found["same"].environments, found["same"].excluded) == (["A"], ["B"])
    assert math.isnan(found["absent"].adjusted_p_value)
    assert not found["absent"].differs


def test_the_least_p_value_of_a_thousand_seeds() -> None:
    """More relabellings than a float can hold; the study's limit is 1000 seeds."""
    scores = [np.arange(1000.0)]
    assert least_p_value(scores, scores) < 1e-300
    assert permutation_test(scores, scores) == pytest.approx(1.0)
