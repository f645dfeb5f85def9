from __future__ import annotations

import math

import numpy as np
import pytest

from sb3_ppo_variants.bench.statistics.power import detectable, detectable_effect, pooled_deviation


# Cohen 1988, table 2.4.1: runs per arm for a power of 80 % at 5 % two-sided.
@pytest.mark.parametrize(("d", "runs"), [(0.2, 393), (0.5, 64), (0.8, 26), (1.0, 17), (1.2, 12), (1.4, 9)])
def test_numbers_of_runs_of_cohens_table(d: float, runs: int) -> None:
    # His numbers are rounded: one run less never reaches the effect, one more always does.
    assert detectable_effect(runs + 1) < d < detectable_effect(runs - 1)


def test_detectable_effects() -> None:
    # statsmodels 0.14, tt_ind_solve_power(nobs1=n, ratio=r, alpha=0.05, power=0.8).
    assert detectable_effect(3) == pytest.approx(3.070892, abs=1e-5)
    assert detectable_effect(5) == pytest.approx(2.024440, abs=1e-5)
    assert detectable_effect(10) == pytest.approx(1.324947, abs=1e-5)
    assert detectable_effect(3, 30) == pytest.approx(1.751317, abs=1e-5)
    assert detectable_effect(30, 3) == detectable_effect(3, 30)


def test_more_runs_detect_less_and_extremes_work() -> None:
    effects = [detectable_effect(runs) for runs in (1, 2, 3, 4, 10, 100, 10_000, 1_000_000)]
    assert effects[0] == math.inf
    assert effects == sorted(effects, reverse=True)
    # With many runs it is (1.959964 + 0.841621) sqrt(2 / n).
    assert effects[-1] == pytest.approx(2.801585 * math.sqrt(2e-6), rel=1e-4)
    assert math.isfinite(detectable_effect(1, 2))


@pytest.mark.parametrize("runs", [(0, 5), (5, 0), (-1, None)])
def test_numbers_of_runs_are_checked(runs: tuple[int, int | None]) -> None:
    with pytest.raises(ValueError, match="must be a number of runs, 1 or more"):
        detectable_effect(*runs)


def test_detectable_by_hand() -> None:
    # Squares around the means: 2 and 8, over 1 + 1 degrees of freedom.
    first, second = np.array([1.0, 3.0]), np.array([0.0, 4.0])
    assert pooled_deviation(first, second) == pytest.approx(math.sqrt(5.0))
    found = detectable({("ppo", "A"): first, ("mine", "A"): second, ("mine", "B"): first}, "ppo")
    assert list(found) == [("mine", "A")]
    assert found["mine", "A"].score == pytest.approx(math.sqrt(5.0) * found["mine", "A"].deviations)
    alone = detectable({("ppo", "A"): first[:1], ("mine", "A"): second[:1]}, "ppo")["mine", "A"]
    assert alone.deviations == math.inf
    assert math.isnan(alone.score)
