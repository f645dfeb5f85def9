from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sb3_ppo_variants.bench.statistics.aggregates import iqm, mean
from sb3_ppo_variants.bench.statistics.intervals import (
    bootstrap,
    bootstrap_band,
    mean_band,
    mean_interval,
    normalise,
    share_interval,
)

NAN = float("nan")


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


def test_normalise_keeps_what_is_not_a_number() -> None:
    assert np.isnan(normalise(np.array([NAN, 1.0]), 1.0, 1.0)).tolist() == [True, False]
    assert np.isnan(normalise(np.array([NAN, 1.0]), 0.0, 1.0)).tolist() == [True, False]


def test_share_interval_by_hand() -> None:
    # Wilson 1927 with z = 1.959964 for 1 of 2: the centre is 1/2, the half width z / (2 sqrt(2 + z^2)) = 0.405469.
    half = share_interval(1, 2)
    assert half.value == 0.5
    assert half.low == pytest.approx(0.5 - 0.405469, abs=1e-6)
    assert half.high == pytest.approx(0.5 + 0.405469, abs=1e-6)
    assert share_interval(0, 5).low == 0.0
    assert math.isnan(share_interval(0, 0).value)


def test_mean_band_by_hand() -> None:
    # First point: the runs agree. Second point: a resample of 0 and 1 has the mean 0, 1/2 or 1.
    band = mean_band(np.array([[5.0, 0.0], [5.0, 1.0]]), 500, seed=0)
    assert band.tolist() == [[5.0, 0.5], [5.0, 0.0], [5.0, 1.0]]
    alone = mean_band(np.array([[5.0, 0.0]]), 500, seed=0)
    assert alone[0].tolist() == [5.0, 0.0]
    assert np.isnan(alone[1:]).all()


def test_each_stratum_is_resampled_by_itself() -> None:
    # Within each stratum all runs are equal, so no resample of strata by themselves can differ; one over all would.
    assert bootstrap([np.full(4, 1.0), np.full(4, 3.0)], mean, 300, seed=0) == (2.0, 2.0, 2.0)


def test_bootstraps_are_seeded() -> None:
    rng = np.random.default_rng(0)
    strata = [rng.normal(size=5), rng.normal(size=6)]
    assert bootstrap(strata, mean, 500, seed=3) == bootstrap(strata, mean, 500, seed=3)
    assert bootstrap(strata, mean, 500, seed=3) != bootstrap(strata, mean, 500, seed=4)


def test_a_band_resamples_whole_curves() -> None:
    # Two runs whose curves are each other's mirror: the second point's resample is fixed by the first's, and a mean
    # over both points never moves. Drawn point by point it would.
    curves = np.array([[0.0, 1.0], [1.0, 0.0]])

    def over_points(runs: np.ndarray, axis: int) -> np.ndarray:
        drawn = runs.mean(axis=axis)
        return np.asarray(drawn + drawn[::-1])

    band = bootstrap_band(np.array([1.0, 2.0]), [curves], over_points, 300, seed=0)
    assert band.x == (1.0, 2.0)
    assert band.value == band.low == band.high == (1.0, 1.0)


def test_no_interval_without_two_runs_and_no_number_without_strata() -> None:
    alone = bootstrap([np.array([1.0, 2.0]), np.array([3.0])], mean, 200, seed=0)
    assert alone.value == 2.25
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)
    assert math.isnan(bootstrap([], mean, 200, seed=0).value)
    band = bootstrap_band(np.array([1.0]), [np.array([[5.0]])], mean, 200, seed=0)
    assert band.value == (5.0,)
    assert math.isnan(band.high[0])


@pytest.mark.parametrize("block", [1, 1_000_000])
def test_the_bootstrap_is_that_of_scipy(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the resamples of one point are held at once, or those of all."""
    monkeypatch.setattr("sb3_ppo_variants.bench.statistics.intervals.BLOCK", block)
    samples = [np.random.default_rng(count).normal(size=(3, count)) for count in (5, 8)]
    found = bootstrap_band(np.arange(3.0), samples, iqm, 200, seed=7)
    theirs = stats.bootstrap(
        samples, iqm, n_resamples=200, axis=-1, method="percentile", vectorized=True, rng=np.random.default_rng(7)
    )
    assert found.low == pytest.approx(theirs.confidence_interval.low, rel=1e-12)
    assert found.high == pytest.approx(theirs.confidence_interval.high, rel=1e-12)


def test_what_is_not_a_number_stays_so() -> None:
    assert all(math.isnan(part) for part in mean_interval(np.array([1.0, NAN, 2.0])))
    assert all(math.isnan(part) for part in bootstrap([np.array([1.0, NAN, 2.0])], mean, 200, seed=0))
