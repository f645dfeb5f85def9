from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.terms.soft_clip import log, soft_clip
from tests.terms.minibatches import advantages, minibatch, ratios, slope, surrogate

SIGNS = {"soft_clip_temperature": 4.0, "negative_soft_clip_temperature": 2.0}


def test_by_hand() -> None:
    # The paper's 4/tau sigmoid(tau (r - 1)) A, shifted by A - 2 A / tau: with tau = 4, A = 2 and r = 1.5 that is
    # 2 sigmoid(2) + 1 = 2 * 0.8807971 + 1; at r = 0.5, 2 * 0.1192029 + 1.
    batch = minibatch([2, 2, 2, -2], [1.0, 1.5, 0.5, 1.5])
    expected = [2.0, 2.7615942, 1.2384058, -2.7615942]
    assert surrogate(soft_clip, batch, soft_clip_temperature=4.0) == pytest.approx(expected, abs=1e-6)


def test_a_temperature_for_each_sign_by_hand() -> None:
    # 2/tau tanh(tau/2 (r - 1)): 0.5 tanh(1) = 0.3807971 for A = 2, tanh(0.5) = 0.4621172 for A = -2; J = A (1 + that).
    batch = minibatch([2, -2, 2, -2], [1.5, 1.5, 0.5, 0.5])
    expected = [2.7615942, -2.9242343, 1.2384058, -1.0757657]
    assert surrogate(soft_clip, batch, **SIGNS) == pytest.approx(expected, abs=1e-6)


# 1 - tanh(1)^2 and 1 - tanh(0.5)^2.
@pytest.mark.parametrize(("advantage", "factor"), [(2.0, 0.4199743), (-2.0, 0.7864477)])
@pytest.mark.parametrize("ratio", [0.5, 1.5])
def test_gradient_fades_by_the_temperature_of_the_sign(advantage: float, factor: float, ratio: float) -> None:
    assert slope(soft_clip, advantage, ratio, **SIGNS) == pytest.approx(advantage * factor, rel=1e-6)


@given(advantages, ratios, st.floats(0.1, 20.0))
def test_one_temperature_is_the_same_one_twice(advantage: float, ratio: float, temperature: float) -> None:
    batch = minibatch([advantage], [ratio])
    once = surrogate(soft_clip, batch, soft_clip_temperature=temperature)
    same = {"soft_clip_temperature": temperature, "negative_soft_clip_temperature": temperature}
    assert once == surrogate(soft_clip, batch, **same)
    assert slope(soft_clip, advantage, ratio, soft_clip_temperature=temperature) == (
        slope(soft_clip, advantage, ratio, **same)
    )


@given(st.floats(0.5, 5.0), ratios, st.floats(0.1, 20.0))
def test_a_temperature_moves_the_samples_of_its_sign(size: float, ratio: float, other: float) -> None:
    good, bad = minibatch([size], [ratio]), minibatch([-size], [ratio])
    both = SIGNS | {"negative_soft_clip_temperature": other}
    assert surrogate(soft_clip, good, **both) == surrogate(soft_clip, good, soft_clip_temperature=4.0)
    assert surrogate(soft_clip, bad, **both) == surrogate(soft_clip, bad, soft_clip_temperature=other)


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
    logged = log(minibatch([1, -1, 0], [1.5, 1.5, 1.5]), **SIGNS)
    assert float(logged["soft_clip_factor"]) == pytest.approx((0.4199743 + 0.7864477 + 0.4199743) / 3)
