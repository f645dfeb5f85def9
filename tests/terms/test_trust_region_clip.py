from __future__ import annotations

import math

import pytest
import torch as th
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants import Minibatch
from sb3_ppo_variants.kl import Distributions
from sb3_ppo_variants.terms.clip import clip
from sb3_ppo_variants.terms.trust_region_clip import log, prepare, trust_region_clip
from tests.terms.minibatches import advantages, minibatch, ratios, surrogate

# Of two equally likely actions: ratio 1.5 is at 0.5 log(1 / 1.5) + 0.5 log(0.5 / 0.25) = 0.1438 nats, and so is 0.5.
EVEN = -0.5 * math.log(1.5) + 0.5 * math.log(2.0)
CHOSEN = {"trust_region_clip_kl": EVEN, "clip_range": 0.2}


def even(advantage: list[float], ratio: list[float], grad: bool = False, **values: float) -> Minibatch:
    """Samples of a policy with two equally likely actions, prepared as before an update."""
    batch = minibatch(advantage, ratio, grad=grad)
    old = Distributions("categorical", (th.full((len(ratio), 2), 0.5, dtype=th.float64).log(),))
    batch.prepared = prepare(old, th.zeros(len(ratio), 1), **(CHOSEN | values))
    return batch


def test_by_hand() -> None:
    # The ball reaches from 0.5 to 1.5: A = 2: 1.4 is inside, 1.6 gives 1.5 * 2; A = -2: 0.6 inside, 0.4 gives 0.5 * -2.
    batch = even([2, 2, 2, -2, -2, -2], [1.4, 1.6, 0.4, 0.6, 0.4, 1.6])
    expected = [2.8, 3.0, 0.8, -1.2, -1.0, -3.2]
    assert surrogate(trust_region_clip, batch, **CHOSEN) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("advantage", "ratio", "expected"),
    [(2, 1.49, 2), (2, 1.51, 0), (2, 0.4, 2), (-2, 0.51, -2), (-2, 0.49, 0), (-2, 1.6, -2)],
)
def test_gradient_on_each_side_of_each_kink(advantage: float, ratio: float, expected: float) -> None:
    batch = even([advantage], [ratio], grad=True)
    trust_region_clip(batch.advantages * batch.ratio, batch, **CHOSEN).sum().backward()  # type: ignore[no-untyped-call]
    assert batch.log_ratio.grad is not None
    assert float(batch.log_ratio.grad) / ratio == pytest.approx(expected)


@given(advantages, ratios)
def test_without_a_ball_it_is_the_clip(advantage: float, ratio: float) -> None:
    batch = even([advantage], [ratio], trust_region_clip_kl=0.0)
    value = surrogate(trust_region_clip, batch, **(CHOSEN | {"trust_region_clip_kl": 0.0}))
    assert value == surrogate(clip, batch, clip_range=0.2)


@given(advantages, ratios, st.floats(0.0, 1.0))
def test_lies_between_the_clip_and_the_plain_surrogate(advantage: float, ratio: float, radius: float) -> None:
    batch = even([advantage], [ratio], trust_region_clip_kl=radius)
    value = surrogate(trust_region_clip, batch, **(CHOSEN | {"trust_region_clip_kl": radius}))[0]
    assert surrogate(clip, batch, clip_range=0.2)[0] <= value <= float(batch.advantages * batch.ratio)


def test_a_rare_action_has_room_where_the_clip_has_none() -> None:
    old = Distributions("categorical", (th.tensor([[0.01, 0.99], [0.5, 0.5], [0.99, 0.01]]).log(),))
    bounds = prepare(old, th.zeros(3, 1), trust_region_clip_kl=0.02, clip_range=0.2)
    upper = bounds["trust_region_clip_upper"]
    assert upper[0] > 3
    assert upper[1] == pytest.approx(1.2, abs=0.01)
    assert upper[2] == pytest.approx(1.2)  # the ball allows 1 / 0.99 at most: the clip range is the narrowest


def test_log() -> None:
    batch = even([1, 1, -1, -1], [1.6, 0.4, 0.4, 1.6])
    logged = log(batch, **CHOSEN)
    assert float(logged["trust_region_clip_fraction"]) == 0.5
    assert float(logged["trust_region_clip_lower"]) == pytest.approx(0.5)
    assert float(logged["trust_region_clip_upper"]) == pytest.approx(1.5)


def test_log_at_the_bounds() -> None:
    # Below 1/2 and above 2, at the bound, and beyond it without or against an advantage: the first of each is removed.
    below = [(-1, 0.25), (-1, 0.5), (0, 0.25), (0.5, 0.25), (1, 0.25)]
    above = [(1, 4), (1, 2), (0, 4), (-0.5, 4), (-1, 4)]
    inside = [(1, 1), (-1, 1), (-2, 1)]
    advantage, ratio = zip(*below, *above, *inside, strict=True)
    batch = minibatch(advantage, ratio)
    batch.prepared = {
        "trust_region_clip_lower": th.full((13,), 0.5, dtype=th.float64),
        "trust_region_clip_upper": th.full((13,), 2.0, dtype=th.float64),
    }
    assert float(log(batch, **CHOSEN)["trust_region_clip_fraction"]) == pytest.approx(2 / 13)
