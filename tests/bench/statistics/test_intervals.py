from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sb3_ppo_variants.bench.statistics import intervals
from sb3_ppo_variants.bench.statistics.aggregates import iqm
from sb3_ppo_variants.bench.statistics.intervals import (
    Array,
    bootstrap,
    bootstrap_band,
    expanded_tail,
    mean_bands,
    mean_interval,
    normalise,
    share_interval,
    trials,
)

NAN, INFINITY = float("nan"), float("inf")


def mean(*samples: Array, axis: int) -> Any:
    return np.mean([sample.mean(axis=axis) for sample in samples], axis=0)


def test_mean_interval_without_skewness_is_students() -> None:
    # Deviation 1, standard error 1/sqrt(3); the 97.5 % point of t with 2 degrees of freedom is 4.302653.
    assert mean_interval(np.array([1.0, 2.0, 3.0])) == pytest.approx((2.0, 2.0 - 2.484138, 2.0 + 2.484138), abs=1e-6)


def test_mean_interval_of_skewed_runs_by_hand() -> None:
    # Squares 6, cubes 6: the mean 1 has the standard error 1 and the skewness 3 * 6 / (2 * 1) / 9 = 1. The longer tail
    # adds 4 / 6 * (1 + 2 * 4.302653^2) = 25.350428.
    skewed = (1.0, 1.0 - 4.302653, 1.0 + 4.302653 + 25.350428)
    assert mean_interval(np.array([0.0, 0.0, 3.0])) == pytest.approx(skewed, abs=1e-4)
    assert mean_interval(np.array([0.0, 0.0, -3.0])) == pytest.approx((-1.0, -skewed[2], -skewed[1]), abs=1e-4)
    # Squares 12, cubes 24: the mean 1 has the standard error 1 and the skewness 4 * 24 / (3 * 2) / 16 = 1 again. With
    # three degrees of freedom the longer tail adds 4 / 6 * (1 + 2 * 3.182446^2) = 14.170617.
    longer = (1.0, 1.0 - 3.182446, 1.0 + 3.182446 + 14.170617)
    assert mean_interval(np.array([0.0, 0.0, 0.0, 4.0])) == pytest.approx(longer, abs=1e-4)


def test_mean_interval_of_tasks_by_hand() -> None:
    # Each task adds 1/4 to the variance of the mean; two degrees of freedom. 4.302653 * sqrt(1/2) = 3.042435.
    pair = np.array([0.0, 2.0])
    assert mean_interval(pair, pair + 4.0) == pytest.approx((3.0, 3.0 - 3.042435, 3.0 + 3.042435), abs=1e-6)
    # A task whose runs are equal adds nothing: half of the interval of the other.
    assert mean_interval(np.array([1.0, 2.0, 3.0]), np.zeros(4)) == pytest.approx((1.0, -0.242069, 2.242069), abs=1e-6)
    # Two skewed tasks: each adds 1/4 to the variance, and 1/8 to the third cumulant. The skewness is sqrt(1/2), with
    # four degrees of freedom, and the longer tail adds 4 / 6 * sqrt(1/2) * (1 + 2 * 2.776445^2) = 7.739187.
    skewed = np.array([0.0, 0.0, 3.0])
    expected = (1.0, 1.0 - 2.776445 * math.sqrt(0.5), 1.0 + (2.776445 + 7.739187) * math.sqrt(0.5))
    assert mean_interval(skewed, skewed) == pytest.approx(expected, abs=1e-4)


def test_mean_interval_of_equal_values_and_of_one() -> None:
    assert mean_interval(np.array([5.0, 5.0])) == (5.0, 5.0, 5.0)
    # The mean of three 0.1 is another float.
    thirds = mean_interval(np.full(3, 0.1), np.full(10, 0.3))
    assert thirds.low == thirds.high == thirds.value == pytest.approx(0.2, abs=1e-15)
    alone = mean_interval(np.array([5.0]))
    assert alone.value == 5.0
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)
    assert math.isnan(mean_interval().value)


def test_normalise_by_hand() -> None:
    assert normalise(np.array([20.0, 260.0, 500.0]), 20.0, 500.0).tolist() == [0.0, 0.5, 1.0]
    assert normalise(np.array([3.0, 3.0]), 3.0, 3.0).tolist() == [0.0, 0.0]


def test_normalise_keeps_what_is_not_a_number() -> None:
    assert np.isnan(normalise(np.array([NAN, 1.0]), 1.0, 1.0)).tolist() == [True, False]
    assert np.isnan(normalise(np.array([NAN, 1.0]), 0.0, 1.0)).tolist() == [True, False]


def test_share_interval_by_hand() -> None:
    # Wilson 1927 with z = 1.959964 for 1 of 2: the centre is 1/2, the half width z / (2 sqrt(2 + z^2)) = 0.405469.
    assert share_interval(0.5, 2) == pytest.approx([0.5, 0.5 - 0.405469, 0.5 + 0.405469], abs=1e-6)
    # Of none and of all 5 it is z^2 / (5 + z^2) = 0.434482 wide.
    assert share_interval(np.array([0.0, 1.0]), 5).tolist() == [
        [0.0, 1.0],
        [0.0, pytest.approx(0.565518, abs=1e-6)],
        [pytest.approx(0.434482, abs=1e-6), 1.0],
    ]
    unknown = share_interval(0.0, 0)
    assert unknown.shape == (3,)
    assert np.isnan(unknown).all()


@pytest.mark.parametrize(("count", "total"), [(0, 4), (3, 10), (19, 20)])
def test_share_interval_is_that_of_scipy(count: int, total: int) -> None:
    theirs = stats.binomtest(count, total).proportion_ci(0.95, method="wilson")
    assert share_interval(count / total, total)[1:] == pytest.approx([theirs.low, theirs.high], abs=1e-12)


def test_trials_by_hand() -> None:
    # The mean of shares of 5 and of 5 trials is one of 10; of 4 and of 12 trials, 4 / (1/4 + 1/12).
    assert trials([5, 5]) == pytest.approx(10.0)
    assert trials([4, 12]) == pytest.approx(12.0)
    assert trials([3, 3, 3]) == pytest.approx(9.0)
    assert trials([]) == 0.0


def test_mean_bands_by_hand() -> None:
    # First point: the runs agree. Second point: mean 1/2, standard error 1/2, one degree of freedom, for which the
    # 97.5 % point is tan(0.475 pi) = 12.706205.
    found = mean_bands(np.array([[5.0, 5.0], [0.0, 1.0]]))
    assert found.tolist() == [[5.0, 0.5], [5.0, pytest.approx(-5.853102)], [5.0, pytest.approx(6.853102)]]
    alone = mean_bands(np.array([[5.0], [0.0]]))
    assert alone[0].tolist() == [5.0, 0.0]
    assert np.isnan(alone[1:]).all()


def test_bands_are_intervals_point_by_point() -> None:
    first = np.array([[0.0, 0.0, 3.0], [1.0, 2.0, 3.0], [0.0, 0.0, -3.0]])
    second = np.array([[1.0, 2.0, 3.0, 9.0], [0.0, 0.0, 0.0, 0.0], [4.0, 5.0, 5.0, 1.0]])
    found = mean_bands(first, second)
    for point in range(3):
        assert found[:, point] == pytest.approx(mean_interval(first[point], second[point]), rel=1e-12)


# Hesterberg 2015, section 5.2, with t = 2.776445, 2.262157 and 2.093024.
@pytest.mark.parametrize(("runs", "tail"), [(5, 0.000954), (10, 0.008551), (20, 0.015881)])
def test_expanded_percentiles_of_one_sample(runs: int, tail: float) -> None:
    assert expanded_tail([runs]) == pytest.approx(tail, abs=2e-6)


def test_expanded_percentiles_of_two_samples() -> None:
    # Eight degrees of freedom: 2.306004 * sqrt(10 / 8) = 2.578191.
    assert expanded_tail([5, 5]) == pytest.approx(0.004966, abs=2e-6)


def test_each_stratum_is_resampled_by_itself() -> None:
    # Within each stratum all runs are equal, so no resample of strata by themselves can differ; one over all would.
    assert bootstrap([np.full(4, 1.0), np.full(4, 3.0)], mean, 300, seed=0) == (2.0, 2.0, 2.0)


def test_bootstraps_are_seeded() -> None:
    rng = np.random.default_rng(0)
    strata = [rng.normal(size=5), rng.normal(size=6)]
    assert bootstrap(strata, mean, 500, seed=3) == bootstrap(strata, mean, 500, seed=3)
    assert bootstrap(strata, mean, 500, seed=3) != bootstrap(strata, mean, 500, seed=4)


def test_resamples_are_drawn_in_batches_of_one_size() -> None:
    # Another size gives other intervals to large studies.
    assert intervals.BATCH == 10_000_000


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
    assert math.isnan(band.low[0])
    assert math.isnan(band.high[0])
    with pytest.raises(AttributeError):
        band.value = (6.0,)  # type: ignore[misc]


# Of 39 numbers a resample: one resample at a time, seven, and all.
@pytest.mark.parametrize(("batch", "resamples"), [(0, 1), (39 * 7 + 5, 7), (1_000_000, 200)])
@pytest.mark.parametrize("block", [1, 1_000_000])
def test_the_bootstrap_is_that_of_scipy(
    block: int, batch: int, resamples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the resamples of one point are held at once, or those of all."""
    monkeypatch.setattr(intervals, "BLOCK", block)
    monkeypatch.setattr(intervals, "BATCH", batch)
    samples = [np.random.default_rng(count).normal(size=(3, count)) for count in (5, 8)]
    found = bootstrap_band(np.arange(3.0), samples, iqm, 200, seed=7)
    theirs = stats.bootstrap(
        samples,
        iqm,
        n_resamples=200,
        batch=resamples,
        axis=-1,
        method="percentile",
        confidence_level=1 - 2 * expanded_tail([5, 8]),
        vectorized=True,
        rng=np.random.default_rng(7),
    )
    assert found.low == pytest.approx(theirs.confidence_interval.low, rel=1e-12)
    assert found.high == pytest.approx(theirs.confidence_interval.high, rel=1e-12)


def test_what_is_not_a_finite_number_makes_all_nan() -> None:
    for broken in (NAN, INFINITY, -INFINITY):
        assert all(math.isnan(part) for part in mean_interval(np.array([1.0, broken, 2.0]), np.ones(3)))
        assert np.isnan(normalise(np.array([broken, 1.0]), 0.0, 1.0)).tolist() == [True, False]
    # The squares of the deviations are infinite, the mean is not.
    huge = mean_interval(np.array([1e200, -1e200]))
    assert huge.value == 0.0
    assert not math.isfinite(huge.low)
    assert all(math.isnan(part) for part in bootstrap([np.array([1.0, NAN, 2.0])], mean, 200, seed=0))
