from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from sb3_ppo_variants.bench.statistics import power
from sb3_ppo_variants.bench.statistics.comparisons import compare, permutation_test
from sb3_ppo_variants.bench.statistics.intervals import Array
from sb3_ppo_variants.bench.statistics.power import detectable, detectable_effect, pooled_deviation


def test_of_single_runs_by_hand() -> None:
    # One run against one in six tasks: only six wins of six have a p-value below 5 %, 2 / 64. All six are won with
    # probability 0.8 where each is with 0.963492, so at 1.792737 times the deviation of a gap, sqrt(2).
    assert detectable_effect([(1, 1)] * 6, tests=1) == pytest.approx(1.792737 * math.sqrt(2), rel=0.02)
    # Two tests need 2.5 %. And where one task alone differs, the five others are all won once in 32 studies.
    assert detectable_effect([(1, 1)] * 6, tests=2) == math.inf
    assert detectable_effect([(1, 1)] * 6, tests=1, only=5) == math.inf


def test_the_least_shifts_one_by_one() -> None:
    # Of sixths of a task, a comparison is worth 3, 2 and 3; 13 are needed.
    shifted, others = [(2, 1), (1, 3)], [(1, 2)]
    found = power._least_shifts(np.random.default_rng(0), 40, shifted, others, needed=13 / 6)
    rng = np.random.default_rng(0)
    gaps = [rng.standard_normal((40, m, 1)) - rng.standard_normal((40, 1, n)) for n, m in [*shifted, *others]]
    for study in range(40):
        won = 3 * np.sum(gaps[2][study] < 0)
        worth = [(gap, 3) for gap in gaps[0][study].ravel()] + [(gap, 2) for gap in gaps[1][study].ravel()]
        expected = math.inf
        for gap, more in sorted(worth):
            won += more
            if won >= 13:
                expected = gap
                break
        assert found[study] == expected
    # All comparisons of the shifted tasks are worth 12: without one of the other no shift is enough.
    assert 0 < np.sum(found == math.inf) < 40


def test_the_quantile_and_the_number_of_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    simulated: list[list[int]] = []

    def record(rng: np.random.Generator, studies: int, *arguments: object) -> Array:
        simulated[-1].append(studies)
        return np.arange(11.0)

    power._detectable.cache_clear()
    monkeypatch.setattr(power, "_least_shifts", record)
    # 25, 40 000 and 1 000 000 comparisons, of 20 millions in all where that leaves 200 studies.
    for counts in ([(5, 5)], [(100, 100)] * 4, [(100, 10_000)]):
        simulated.append([])
        assert detectable_effect(counts, tests=1) == 8.0
    # 2 millions of them at once.
    assert repr(simulated) == repr([[2000], [50] * 10, [2] * 100])
    assert (power.COMPARISONS, power.AT_ONCE) == (20_000_000, 2_000_000)
    power._detectable.cache_clear()


def test_unequal_numbers_of_runs_overflow_nothing() -> None:
    """The least common multiple of these comparisons has 64 bits (it was said that no difference can be found)."""
    counts = [(29, 29), (23, 23), (19, 19), (17, 17), (13, 13), (27, 25), (16, 11)]
    assert detectable_effect(counts, tests=1) == pytest.approx(detectable_effect(counts[:6], tests=1), rel=0.1)


def test_on_one_task_it_is_the_effect_of_mann_whitneys_test() -> None:
    rng = np.random.default_rng(1)
    effect = detectable_effect([(5, 5)], tests=1)
    first, second = rng.normal(effect, 1.0, (1_000, 5)), rng.normal(size=(1_000, 5))
    found = mannwhitneyu(first, second, method="exact", axis=-1).pvalue <= 0.05
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


def test_an_effect_in_one_task_of_several_may_be_too_little() -> None:
    # Two tasks of five runs, 24 arms: a sure win of 25 of 25 pairs and half of the others is too few of 50.
    assert detectable_effect([(5, 5), (5, 5)], tests=24, only=0) == math.inf
    # Three runs an arm have no p-value below 0.1.
    assert detectable_effect([(3, 3)], tests=1) == math.inf
    assert detectable_effect([(1, 1)], tests=1) == math.inf


def test_effects_near_those_of_the_t_test() -> None:
    # statsmodels 0.14, tt_ind_solve_power(nobs1=n, alpha=0.05, power=0.8): 1.324947 and 0.909129. With many runs the
    # test of ranks needs sqrt(pi / 3) = 1.023 times as much (Hodges and Lehmann 1956).
    assert detectable_effect([(10, 10)], tests=1) == pytest.approx(1.023 * 1.324947, rel=0.05)
    assert detectable_effect([(20, 20)], tests=1) == pytest.approx(1.023 * 0.909129, rel=0.05)
    # 0.396143 for 101 runs, 0.125351 for 1 000, of which 100 are simulated.
    assert detectable_effect([(101, 101)], tests=1) == pytest.approx(1.023 * 0.396143, rel=0.02)
    assert detectable_effect([(1_000, 1_000)], tests=1) == pytest.approx(1.023 * 0.125351, rel=0.02)


def test_more_runs_and_fewer_arms_detect_less() -> None:
    by_runs = [detectable_effect([(runs, runs)], tests=1) for runs in (4, 6, 10, 20, 40)]
    assert by_runs == sorted(by_runs, reverse=True)
    by_arms = [detectable_effect([(10, 10)] * 3, tests) for tests in (1, 5, 25, 100)]
    assert by_arms == sorted(by_arms)
    by_tasks = [detectable_effect([(5, 5)] * tasks, tests=1) for tasks in (1, 2, 5)]
    assert by_tasks == sorted(by_tasks, reverse=True)
    # One task with few runs holds the others up, whichever it is.
    unequal = detectable_effect([(10, 10), (3, 10)], tests=1)
    assert detectable_effect([(10, 10), (10, 10)], tests=1) < unequal == detectable_effect([(3, 10), (10, 10)], tests=1)


@pytest.mark.parametrize("counts", [[], [(0, 5)], [(5, 5), (5, -1)]])
def test_numbers_of_runs_are_checked(counts: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match=r"counts=\[.*\] must be pairs of numbers of runs, 1 or more"):
        detectable_effect(counts, tests=1)


def test_numbers_of_tests_are_checked() -> None:
    with pytest.raises(ValueError, match="tests=0 must be a number of tests, 1 or more"):
        detectable_effect([(5, 5)], tests=0)


def test_detectable_by_hand() -> None:
    # Squares around the means: 2 and 8, over 1 + 1 degrees of freedom.
    assert pooled_deviation(np.array([1.0, 3.0]), np.array([0.0, 4.0])) == pytest.approx(math.sqrt(5.0))
    assert pooled_deviation(np.array([1.0, 3.0]), np.array([5.0])) == pytest.approx(math.sqrt(2.0))
    assert math.isnan(pooled_deviation(np.array([1.0]), np.array([5.0])))
    runs = np.arange(10.0)
    scores = {("ppo", "A"): runs, ("mine", "A"): 2 * runs, ("mine", "B"): runs, ("other", "B"): runs}
    found = detectable(scores, compare(scores, ["ppo", "mine", "other"], ["A", "B"], "ppo"), "ppo")
    assert list(found) == ["mine"]
    assert found["mine"].everywhere == found["mine"].alone["A"] == detectable_effect([(10, 10)], tests=1)
    # Squares 82.5 and 330 over 18 degrees of freedom.
    assert found["mine"].scores["A"] == pytest.approx(found["mine"].everywhere * math.sqrt(412.5 / 18))
    # Where all runs of an arm score the same, any difference is seen.
    same = {("ppo", "A"): np.ones(5), ("mine", "A"): np.zeros(5)}
    assert detectable(same, compare(same, ["ppo", "mine"], ["A"], "ppo"), "ppo")["mine"].scores == {"A": 0.0}
    with pytest.raises(AttributeError):
        found["mine"].everywhere = 0.0  # type: ignore[misc]


def share_found(effects: Sequence[float], seeds: int, tests: int, studies: int = 1_000) -> float:
    """Share of simulated studies in which an arm with these effects differs after Holm's correction."""
    rng = np.random.default_rng(5)
    found = [
        permutation_test([rng.normal(d, 1.0, seeds) for d in effects], [rng.normal(size=seeds) for _ in effects])
        for _ in range(studies)
    ]
    return float(np.mean(np.array(found) <= 0.05 / tests))


# The standard error of 1 000 studies is 0.013.
def test_the_decision_finds_the_effect_in_four_of_five_studies() -> None:
    everywhere = detectable_effect([(5, 5), (5, 5)], tests=24)
    assert share_found([everywhere, everywhere], 5, tests=24) == pytest.approx(0.8, abs=0.05)
    alone = detectable_effect([(10, 10), (10, 10)], tests=1, only=0)
    assert share_found([alone, 0.0], 10, tests=1) == pytest.approx(0.8, abs=0.05)
