"""Exact bounds of the ratio within a ball of the divergence: by hand, and against a search that knows no theory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch as th
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.kl import Distributions, kl_divergence
from sb3_ppo_variants.kl_ball import ratio_bounds


def two_choices(probability: float) -> Distributions:
    return Distributions("categorical", (th.tensor([[probability, 1 - probability]], dtype=th.float64).log(),))


def standard_normal(dimensions: int, batch: int = 1) -> Distributions:
    return Distributions("normal", (th.zeros(batch, dimensions).double(), th.ones(batch, dimensions).double()))


def bounds(old: Distributions, action: list[float], radius: float) -> tuple[float, float]:
    low, high = ratio_bounds(old, th.tensor([action]), radius)
    return float(low), float(high)


def test_two_choices_by_hand() -> None:
    # p = 0.5: -0.5 log 1.2 - 0.5 log 0.8 = 0.0204110 nats, for either direction.
    assert bounds(two_choices(0.5), [0.0], 0.020410997260127586) == pytest.approx((0.8, 1.2))
    # p = 0.1 to 0.2: -0.1 log 2 - 0.9 log(8 / 9) = 0.0366901 nats.
    assert bounds(two_choices(0.1), [0.0], 0.036690014034750584)[1] == pytest.approx(2.0)


def test_bernoulli_is_two_choices() -> None:
    old = Distributions("bernoulli", (th.tensor([[math.log(0.1 / 0.9)]], dtype=th.float64),))
    assert bounds(old, [1.0], 0.036690014034750584)[1] == pytest.approx(2.0)
    assert bounds(old, [0.0], 0.02) == pytest.approx(bounds(two_choices(0.9), [0.0], 0.02))


@pytest.mark.parametrize(("dimensions", "radius"), [(1, 0.037678443), (6, 0.0056541508), (17, 0.0019694176)])
def test_a_gaussian_at_its_mean_by_hand(dimensions: int, radius: float) -> None:
    """The largest ratio is that of a smaller variance alone: delta = d/2 (e^v - 1 - v), v = 2/d log 1.2."""
    assert bounds(standard_normal(dimensions), [0.0] * dimensions, radius)[1] == pytest.approx(1.2, abs=1e-5)


def test_independent_dimensions_share_the_budget_as_is_best() -> None:
    """Two equal dimensions halve it; a dimension with nothing to gain takes none."""
    twice = Distributions("categorical", (two_choices(0.1).tensors[0],) * 2)
    assert bounds(twice, [0.0, 0.0], 2 * 0.036690014034750584)[1] == pytest.approx(4.0)
    certain = th.tensor([[0.0, -math.inf]], dtype=th.float64)
    with_certain = Distributions("categorical", (two_choices(0.1).tensors[0], certain))
    assert bounds(with_certain, [0.0, 0.0], 0.036690014034750584)[1] == pytest.approx(2.0)


def normal_ratio(new: Distributions, action: list[float]) -> th.Tensor:
    mean, std = new.tensors
    z = th.tensor(action, dtype=th.float64)
    return (-std.log() - 0.5 * ((z - mean) / std).square() + 0.5 * z.square()).sum(dim=-1).exp()


@pytest.mark.parametrize("action", [[0.0, 0.0], [1.0, -0.5], [3.0, 0.1]])
def test_no_gaussian_of_a_random_search_does_better(action: list[float]) -> None:
    radius, draws = 0.05, 300_000
    generator = np.random.default_rng(0)
    mean = th.from_numpy(generator.normal(scale=0.17, size=(draws, 2)))
    std = th.from_numpy(np.exp(generator.normal(scale=0.13, size=(draws, 2))))
    new = Distributions("normal", (mean, std))
    inside = kl_divergence(standard_normal(2, draws), new) <= radius
    ratios = normal_ratio(new, action)[inside]
    low, high = bounds(standard_normal(2), action, radius)
    assert low <= ratios.min() <= low * 1.05
    assert high >= ratios.max() >= high / 1.05


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_no_categorical_of_a_random_search_does_better(taken: int) -> None:
    radius = 0.05
    old = th.tensor([[0.05, 0.25, 0.7]], dtype=th.float64)
    shift = np.random.default_rng(0).normal(scale=0.4, size=(300_000, 3))
    new = (old.log() + th.from_numpy(shift)).log_softmax(dim=-1)
    inside = (old * (old.log() - new)).sum(dim=-1) <= radius
    ratios = (new - old.log()).exp()[inside, taken]
    low, high = bounds(Distributions("categorical", (old.log(),)), [float(taken)], radius)
    assert low <= ratios.min() <= low * 1.05
    assert high >= ratios.max() >= high / 1.05


FAMILIES: dict[str, Any] = {
    "normal": lambda z: (standard_normal(2), [4 * z, -z]),
    "categorical": lambda z: (two_choices(min(max(z, 1e-3), 1 - 1e-3)), [0.0]),
}


@pytest.mark.parametrize("family", FAMILIES)
@given(z=st.floats(0.0, 1.0), radius=st.floats(1e-6, 0.5))
def test_bounds_enclose_one_and_widen_with_the_radius(family: str, z: float, radius: float) -> None:
    old, action = FAMILIES[family](z)
    low, high = bounds(old, action, radius)
    wider_low, wider_high = bounds(old, action, 2 * radius)
    assert 0 <= wider_low <= low < 1 < high <= wider_high
    # No further than where the action has all of the probability, or none.
    assert wider_low < low or low < 1e-6
    assert wider_high > high or family == "categorical"


@pytest.mark.parametrize("probability", [1e-30, 1e-8, 1 - 1e-7, 1.0])
def test_probabilities_at_the_edge_give_numbers(probability: float) -> None:
    low, high = bounds(two_choices(probability), [0.0], 0.02)
    assert 0 <= low <= 1 <= high
    assert high <= 1.0000001 / probability


def test_each_row_by_itself() -> None:
    chances = (0.1, 0.5, 0.9)
    rows = th.cat([two_choices(chance).tensors[0] for chance in chances])
    low, high = ratio_bounds(Distributions("categorical", (rows, rows)), th.zeros(3, 2), 0.05)
    assert low.shape == high.shape == (3,)
    for row, chance in enumerate(chances):
        one = two_choices(chance).tensors[0]
        alone = bounds(Distributions("categorical", (one, one)), [0.0, 0.0], 0.05)
        assert (float(low[row]), float(high[row])) == pytest.approx(alone)
    low, high = ratio_bounds(standard_normal(2, batch=2), th.tensor([[0.5, 1.0], [3.0, -1.0]]), 0.05)
    for row, action in enumerate([[0.5, 1.0], [3.0, -1.0]]):
        assert (float(low[row]), float(high[row])) == pytest.approx(bounds(standard_normal(2), action, 0.05))


def test_a_gaussian_may_be_moved_and_stretched() -> None:
    old = Distributions("normal", (th.tensor([[3.0]]).double(), th.tensor([[2.0]]).double()))
    assert bounds(old, [4.0], 0.05) == pytest.approx(bounds(standard_normal(1), [0.5], 0.05))


def test_an_action_has_as_many_dimensions() -> None:
    choices = two_choices(0.5).tensors[0]
    with pytest.raises(ValueError, match="shorter"):
        ratio_bounds(Distributions("categorical", (choices, choices)), th.zeros(1, 1), 0.05)


def test_no_radius_no_room() -> None:
    for family in FAMILIES:
        old, action = FAMILIES[family](0.3)
        assert bounds(old, action, 0.0) == pytest.approx((1.0, 1.0))


def test_a_masked_choice_changes_nothing() -> None:
    masked = Distributions("categorical", (th.tensor([[0.5, 0.0, 0.5]], dtype=th.float64).log(),))
    assert bounds(masked, [0.0], 0.0204110) == pytest.approx(bounds(two_choices(0.5), [0.0], 0.0204110))


def test_keeps_the_dtype() -> None:
    old = Distributions("normal", (th.zeros(3, 2), th.ones(3, 2)))
    assert [bound.dtype for bound in ratio_bounds(old, th.zeros(3, 2), 0.1)] == [th.float32, th.float32]
