from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.terms.drift import drift, log
from tests.terms.minibatches import advantages, minibatch, ratios, slope, surrogate

PAPER = {"positive_drift_scale": 2.0, "negative_drift_scale": 0.6}


def test_by_hand() -> None:
    # tanh(1) = 0.7615942. A = 2, r = 2: (r - 1) A = 2, drift 2 - 2 tanh(1) = 0.4768117.
    # A = -0.6, r = 1 / e: A log r = 0.6, drift 0.6 - 0.6 tanh(1) = 0.1430435. None where r A < A.
    batch = minibatch([2, 2, -0.6, -0.6], [2.0, 0.5, 1 / math.e, 2.0])
    expected = [4 - 0.4768117, 1.0, -0.2207277 - 0.1430435, -1.2]
    assert surrogate(drift, batch, **PAPER) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("advantage", "ratio", "expected"),
    [
        (2, 0.9, 2),
        # 2 / cosh(1)^2, with cosh(1) = 1.5430806.
        (2, 2.0, 2 / 1.5430806**2),
        (-0.6, 1.1, -0.6),
        # -0.6 + 0.6 e tanh(1)^2: far enough out the push has turned.
        (-0.6, 1 / math.e, -0.6 + 0.6 * math.e * 0.7615942**2),
    ],
)
def test_gradient(advantage: float, ratio: float, expected: float) -> None:
    assert slope(drift, advantage, ratio, **PAPER) == pytest.approx(expected, rel=1e-6)


@given(advantages, ratios)
def test_is_a_lower_bound_and_plain_against_the_advantage(advantage: float, ratio: float) -> None:
    batch = minibatch([advantage], [ratio])
    plain = float(batch.advantages * batch.ratio)
    value = surrogate(drift, batch, **PAPER)[0]
    assert value <= plain
    if ratio * advantage <= advantage:
        assert value == plain


@given(advantages, ratios, st.floats(0.1, 10.0))
def test_falls_as_a_scale_shrinks_and_vanishes_with_a_large_one(advantage: float, ratio: float, scale: float) -> None:
    batch = minibatch([advantage], [ratio])

    def value(both: float) -> float:
        return surrogate(drift, batch, positive_drift_scale=both, negative_drift_scale=both)[0]

    assert value(scale / 2) <= value(scale) + 1e-9
    assert value(1e9) == pytest.approx(float(batch.advantages * batch.ratio), abs=1e-6)


def test_an_excluded_action_without_an_advantage_has_no_drift() -> None:
    # The negative side would be 0 times log 0.
    assert surrogate(drift, minibatch([0.0], [0.0]), **PAPER) == [0.0]


def test_log() -> None:
    assert float(log(minibatch([2, 2], [2.0, 0.5]), **PAPER)["drift"]) == pytest.approx(0.4768117 / 2)
