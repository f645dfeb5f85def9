from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.terms.kl_penalty import KL_PENALTY, kl_penalty, log
from tests.terms.minibatches import advantages, minibatch, ratios, slope, surrogate

EXACT = {"kl_direction": "forward", "kl_estimator": "exact"}


def test_by_hand_exact() -> None:
    # KL(N(0, 1) || N(m, 1)) = m^2 / 2: m = 2 costs 0.5 * 2 = 1 on top of r A = 1.5 * 2.
    batch = minibatch([2, -1], [1.5, 0.5], mean=[2.0, 0.0])
    assert surrogate(kl_penalty, batch, kl_coef=0.5, **EXACT) == pytest.approx([2.0, -0.5])
    assert log(batch, kl_coef=0.5, kl_direction="forward", kl_estimator="exact") == {"kl_penalty": pytest.approx(0.5)}


def test_gradient_of_the_exact_penalty() -> None:
    # d/dm of -beta m^2 / 2 is -beta m, whatever the ratio and the advantage.
    batch = minibatch([0.0], [1.7], mean=[3.0], grad=True)
    result = kl_penalty(batch.advantages, batch, kl_coef=0.5, kl_direction="forward", kl_estimator="exact")
    result.sum().backward()  # type: ignore[no-untyped-call]
    assert batch._new is not None
    assert batch._new.tensors[0].grad is not None
    assert float(batch._new.tensors[0].grad) == pytest.approx(-1.5)


@pytest.mark.parametrize(
    ("estimator", "direction", "expected"),
    [
        ("k1", "forward", -math.log(2)),
        ("k2", "forward", 0.5 * math.log(2) ** 2),
        ("k3", "forward", 1 - math.log(2)),
        ("k1", "reverse", 2 * math.log(2)),
        ("k2", "reverse", math.log(2) ** 2),
        ("k3", "reverse", 2 * math.log(2) - 1),
    ],
)
def test_by_hand_sampled(estimator: str, direction: str, expected: float) -> None:
    batch = minibatch([1.0], [2.0])
    value = surrogate(kl_penalty, batch, kl_coef=10.0, kl_direction=direction, kl_estimator=estimator)
    assert value == pytest.approx([2.0 - 10.0 * expected])


def test_gradient_of_k3() -> None:
    # d k3 / dr = 1 - 1/r: at r = 2 the slope is A - beta / 2, at r = 1 the penalty has none.
    arguments: dict[str, Any] = {"kl_coef": 4.0, "kl_direction": "forward", "kl_estimator": "k3"}
    assert slope(kl_penalty, 1.0, 2.0, **arguments) == pytest.approx(-1.0)
    assert slope(kl_penalty, 1.0, 1.0, **arguments) == pytest.approx(1.0)


@given(advantages, ratios, st.floats(-3, 3))
def test_never_above_the_plain_surrogate(advantage: float, ratio: float, mean: float) -> None:
    batch = minibatch([advantage], [ratio], mean=[mean])
    plain = float(batch.advantages * batch.ratio)
    assert surrogate(kl_penalty, batch, kl_coef=2.0, **EXACT)[0] <= plain
    assert surrogate(kl_penalty, batch, kl_coef=2.0, kl_direction="reverse", kl_estimator="k3")[0] <= plain + 1e-12


def test_only_the_exact_estimator_needs_the_old_distribution() -> None:
    assert KL_PENALTY.asks_for_kl({"kl_estimator": "exact"})
    assert not KL_PENALTY.asks_for_kl({"kl_estimator": "k3"})
    assert KL_PENALTY.is_off({"kl_coef": 0.0})
