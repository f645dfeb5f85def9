from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from sb3_ppo_variants.bench.statistics.efficiency import Course, efficiency_curve, efficiency_curves
from sb3_ppo_variants.bench.statistics.scores import Scale, split_runs

SCALE = Scale(0.0, 10.0, from_study_range=False)


def course(x: list[float], scores: list[float]) -> Course:
    return Course(np.array(x), np.array(scores))


def rows(environment: str, seed: int, steps: list[int], returns: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"arm": "ppo", "environment": environment, "seed": seed, "timesteps": steps, "mean_return": returns}
    )


def test_a_curve_by_hand() -> None:
    # Until 200 the first run of the first task was not evaluated. At 250 it still counts with 0.2; the second task
    # is over at 200 and keeps 1. Weights 1/4, 1/4, 1/2: a quarter at each end goes unless a run weighs more.
    first = [course([200, 300], [0.2, 0.6]), course([100, 250], [0.4, 0.8])]
    second = [course([100, 200], [0.0, 1.0])]
    found = efficiency_curve([first, second], 100, seed=0)
    assert found.x == (200.0, 250.0, 300.0)
    # Sorted 0.2, 0.4, 1 (1/2): 0.2 is dropped, 1 weighs 1/2 and stays: (0.4 / 4 + 1 / 2) / (3/4) = 0.8.
    # Then 0.2, 0.8, 1: (0.8 / 4 + 1 / 2) / (3/4) = 14/15; then 0.6 instead of 0.2, dropped as well.
    assert found.value == pytest.approx((0.8, 14 / 15, 14 / 15))
    assert all(math.isnan(low) for low in found.low)


def test_bands_by_hand() -> None:
    # Two runs: a resample is both of the first, one of each, or both of the second.
    found = efficiency_curve([[course([1, 2], [0.0, 0.5]), course([1, 2], [1.0, 0.5])]], 500, seed=0)
    assert (found.value, found.low, found.high) == ((0.5, 0.5), (0.0, 0.5), (1.0, 0.5))
    assert found == efficiency_curve([[course([1, 2], [0.0, 0.5]), course([1, 2], [1.0, 0.5])]], 500, seed=0)


def test_long_curves_are_thinned() -> None:
    steps = np.arange(1, 1001, dtype=float)
    found = efficiency_curve([[Course(steps, steps / 1000), Course(steps, steps / 1000)]], 100, seed=0)
    assert (len(found.x), found.x[0], found.x[-1]) == (50, 1.0, 1000.0)
    assert (found.value[0], found.value[-1]) == (0.001, 1.0)


def test_curves_over_steps_and_seconds_by_hand() -> None:
    results = pd.concat([rows("A", 0, [200, 100], [10.0, 0.0]), rows("A", 1, [100, 200], [0.0, 5.0])])
    times = results.assign(seconds=[8.0, 4.0, 5.0, 8.0]).drop(columns="mean_return")
    found = efficiency_curves(split_runs(results, times), ["ppo"], {"A": SCALE}, 100, seed=0)
    assert (found.steps["ppo"].x, found.steps["ppo"].value) == ((100.0, 200.0), (0.0, 0.75))
    assert (found.seconds["ppo"].x, found.seconds["ppo"].value) == ((5.0, 8.0), (0.0, 0.75))
    assert found.untimed == []


def test_a_run_without_times_leaves_its_arm_without_a_curve_over_seconds() -> None:
    results = pd.concat([rows("A", 0, [100], [10.0]), rows("A", 1, [100], [0.0])])
    times = results.iloc[:1].assign(seconds=1.0).drop(columns="mean_return")
    for given in (times, None):
        found = efficiency_curves(split_runs(results, given), ["ppo"], {"A": SCALE}, 100, seed=0)
        assert list(found.steps) == ["ppo"]
        assert (found.seconds, found.untimed) == ({}, ["ppo"])
    nothing = efficiency_curves(split_runs(results, times), ["ppo"], {}, 100, seed=0)
    assert (nothing.steps, nothing.seconds, nothing.untimed) == ({}, {}, [])


def test_a_return_that_is_no_number_leaves_a_gap() -> None:
    results = pd.concat([rows("A", 0, [100, 200], [10.0, float("nan")]), rows("A", 1, [100, 200], [0.0, 0.0])])
    found = efficiency_curves(split_runs(results), ["ppo"], {"A": SCALE}, 100, seed=0).steps["ppo"]
    assert found.value[0] == 0.5
    assert math.isnan(found.value[1])
    assert math.isnan(found.low[1])


def test_fifty_points_stay_where_they_are() -> None:
    steps = np.arange(1.0, 51.0) ** 2
    found = efficiency_curve([[Course(steps, steps), Course(steps, steps)]], 100, seed=0)
    assert found.x == tuple(steps)
    both = efficiency_curves({}, [], {}, 100, seed=0)
    with pytest.raises(AttributeError):
        both.untimed = ["ppo"]  # type: ignore[misc]
