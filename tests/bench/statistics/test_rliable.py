"""Agreement with the values of rliable, the library of Agarwal et al. 2021; skipped without the extra ``rliable``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sb3_ppo_variants.bench.statistics.aggregates import iqm, median_interval, optimality_gap, profile
from sb3_ppo_variants.bench.statistics.comparisons import probability_of_improvement
from sb3_ppo_variants.bench.statistics.intervals import Array, mean_interval

library = pytest.importorskip("rliable.library", exc_type=ImportError)
metrics = pytest.importorskip("rliable.metrics", exc_type=ImportError)

AGGREGATES = [
    (iqm, "aggregate_iqm"),
    (lambda *tasks: median_interval(*tasks).value, "aggregate_median"),
    (lambda *tasks: mean_interval(*tasks).value, "aggregate_mean"),
    (lambda *tasks: optimality_gap(*tasks).value, "aggregate_optimality_gap"),
]
SHAPES = [(1, 1), (3, 1), (5, 2), (10, 4), (7, 3), (8, 26)]


def scores(runs: int, tasks: int, seed: int = 0) -> Array:
    """Scores of the shape that rliable takes, runs by tasks, some above 1, rounded so that some are equal."""
    rng = np.random.default_rng(seed)
    return np.round(rng.gamma(2.0, 0.4, (runs, tasks)), 2)


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
        assert probability_of_improvement(list(first.T), list(second.T)) == pytest.approx(expected, abs=1e-12, rel=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_profiles_agree(shape: tuple[int, int]) -> None:
    at, matrix = np.linspace(0.0, 2.0, 41), scores(*shape)
    theirs, _ = library.create_performance_profile({"arm": matrix}, at, reps=2)
    assert profile(list(matrix.T), at).value == pytest.approx(theirs["arm"], abs=1e-12, rel=0)
