from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.terms.soft_clip import log, soft_clip
from tests.terms.minibatches import advantages, minibatch, ratios, slope, surrogate


def test_by_hand() -> None:
    # The paper's 4/tau sigmoid(tau (r - 1)) A, shifted by A - 2 A / tau: with tau = 4, A = 2 and r = 1.5 that is
    # 2 sigmoid(2) + 1 = 2 * 0.8807971 + 1; at r = 0.5, 2 * 0.1192029 + 1.
    batch = minibatch([2, 2, 2, -2], [1.0, 1.5, 0.5, 1.5])
    expected = [2.0, 2.7615942, 1.2384058, -2.7615942]
    assert surrogate(soft_clip, batch, soft_clip_temperature=4.0) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("advantage", [2.0, -2.0])
@pytest.mark.parametrize(("ratio", "factor"), [(1.0, 1.0), (1.5, 0.4199743), (0.5, 0.4199743), (4.0, 2.457e-5)])
def test_gradient_fades_on_both_sides(advantage: float, ratio: float, factor: float) -> None:
    # 4 sigmoid (1 - sigmoid) at 2: 4 * 0.8807971 * 0.1192029.
    assert slope(soft_clip, advantage, ratio, soft_clip_temperature=4.0) == pytest.approx(advantage * factor, rel=1e-3)


@given(ratios, st.floats(0.1, 20.0))
def test_is_bounded_however_large_the_ratio(ratio: float, temperature: float) -> None:
    value = surrogate(soft_clip, minibatch([1.0], [ratio]), soft_clip_temperature=temperature)[0]
    assert 1 - math.tanh(temperature / 2) * 2 / temperature - 1e-9 <= value <= 1 + 2 / temperature + 1e-9


@given(advantages, st.floats(0.5, 2.0))
def test_towards_zero_it_is_the_plain_surrogate(advantage: float, ratio: float) -> None:
    batch = minibatch([advantage], [ratio])
    value = surrogate(soft_clip, batch, soft_clip_temperature=1e-3)[0]
    assert value == pytest.approx(float(batch.advantages * batch.ratio), abs=1e-5)


def test_log() -> None:
    logged = log(minibatch([1, 1], [1.0, 1.5]), soft_clip_temperature=4.0)
    assert float(logged["soft_clip_factor"]) == pytest.approx((1 + 0.4199743) / 2)
