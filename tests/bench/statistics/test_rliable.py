"""Agreement with rliable, the library of Agarwal et al. 2021; skipped where it is not installed (extra ``rliable``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sb3_ppo_variants.bench.statistics.aggregates import iqm, mean, median, optimality_gap, profile
from sb3_ppo_variants.bench.statistics.comparisons import improvement_interval, probability_of_improvement
from sb3_ppo_variants.bench.statistics.intervals import Array, Estimate, bootstrap

library = pytest.importorskip("rliable.library", exc_type=ImportError)
metrics = pytest.importorskip("rliable.metrics", exc_type=ImportError)

RESAMPLES = 5_000
AGGREGATES = [
    (iqm, "aggregate_iqm"),
    (median, "aggregate_median"),
    (mean, "aggregate_mean"),
    (optimality_gap, "aggregate_optimality_gap"),
]
SHAPES = [(1, 1), (3, 1), (5, 2), (10, 4), (7, 3), (8, 26)]


def scores(runs: int, tasks: int, seed: int = 0) -> Array:
    """Scores of the shape that rliable takes, runs by tasks, some above 1, rounded so that some are equal."""
    rng = np.random.default_rng(seed)
    return np.round(rng.gamma(2.0, 0.4, (runs, tasks)), 2)


def check_interval(ours: Estimate, theirs: Any) -> None:
    # The bounds of two bootstraps of 5 000 resamples differ with a standard deviation of about 1.4 % of the width
    # when the statistic is normal. rliable's cannot be seeded, so 6 standard deviations are allowed.
    allowed = 0.08 * (ours.high - ours.low)
    assert ours.low < ours.high
    assert abs(ours.low - theirs[0].item()) <= allowed
    assert abs(ours.high - theirs[1].item()) <= allowed


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("ours", "theirs"), AGGREGATES)
def test_aggregates_agree(ours: Callable[..., Any], theirs: str, shape: tuple[int, int]) -> None:
    for seed in range(20):
        matrix = scores(*shape, seed)
        assert ours(*matrix.T) == pytest.approx(getattr(metrics, theirs)(matrix), abs=1e-12, rel=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_probability_of_improvement_agrees(shape: tuple[int, int]) -> None:
    for seed in range(20):
        first, second = scores(*shape, seed), scores(shape[0] + 2, shape[1], seed + 100)
        expected = metrics.probability_of_improvement(first, second)
        assert probability_of_improvement(*first.T, *second.T) == pytest.approx(expected, abs=1e-12, rel=0)


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_profiles_agree(shape: tuple[int, int]) -> None:
    at, matrix = np.linspace(0.0, 2.0, 41), scores(*shape)
    theirs, intervals = library.create_performance_profile({"arm": matrix}, at, reps=RESAMPLES)
    ours = profile(list(matrix.T), at, RESAMPLES, seed=0)
    assert ours.value == pytest.approx(theirs["arm"], abs=1e-12, rel=0)
    # Shares move in steps of one run: a bound that lies on a step may fall to either side of it.
    step = 1.0 / matrix.size + 1e-12
    assert np.all(np.abs(np.stack([ours.low, ours.high]) - intervals["arm"]) <= step)


@pytest.mark.parametrize(("ours", "theirs"), AGGREGATES)
def test_intervals_of_aggregates_agree(ours: Callable[..., Any], theirs: str) -> None:
    matrix = scores(12, 5)
    metric = getattr(metrics, theirs)
    _, intervals = library.get_interval_estimates({"arm": matrix}, lambda x: np.array([metric(x)]), reps=RESAMPLES)
    check_interval(bootstrap(list(matrix.T), ours, RESAMPLES, seed=0), intervals["arm"])


def test_intervals_of_the_probability_of_improvement_agree() -> None:
    first, second = scores(12, 5), scores(10, 5, seed=1)
    _, intervals = library.get_interval_estimates(
        {"pair": (first, second)}, lambda x, y: np.array([metrics.probability_of_improvement(x, y)]), reps=RESAMPLES
    )
    check_interval(improvement_interval(list(first.T), list(second.T), RESAMPLES, seed=0), intervals["pair"])
