from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.terms.clip import clip
from sb3_ppo_variants.terms.rollback import log, rollback
from tests.terms.minibatches import advantages, minibatch, ratios, slope, surrogate

PAPER = {"clip_range": 0.2, "rollback_slope": 0.3}


def test_by_hand() -> None:
    # Eq. 11 at r = 2: F = -0.3 * 2 + 1.3 * 1.2 = 0.96; at r = 0.5: F = -0.3 * 0.5 + 1.3 * 0.8 = 0.89.
    # A = 2: 0.96 * 2 and, against the advantage, 0.5 * 2; A = -2: 2 * -2 and 0.89 * -2.
    batch = minibatch([2, 2, 2, -2, -2, -2], [2.0, 0.5, 1.1, 2.0, 0.5, 0.9])
    assert surrogate(rollback, batch, **PAPER) == pytest.approx([1.92, 1.0, 2.2, -4.0, -1.78, -1.8])


@pytest.mark.parametrize(
    ("advantage", "ratio", "expected"),
    [(2, 0.7, 2), (2, 1.19, 2), (2, 1.21, -0.6), (2, 5, -0.6), (-2, 0.79, 0.6), (-2, 0.81, -2), (-2, 1.3, -2)],
)
def test_gradient_on_each_side_of_each_kink(advantage: float, ratio: float, expected: float) -> None:
    assert slope(rollback, advantage, ratio, **PAPER) == pytest.approx(expected)


@pytest.mark.parametrize(("advantage", "ratio", "expected"), [(2, 1.3, 0.2), (-2, 0.7, -0.2), (2, 0.7, 2)])
def test_a_negative_slope_leaks(advantage: float, ratio: float, expected: float) -> None:
    assert slope(rollback, advantage, ratio, clip_range=0.2, rollback_slope=-0.1) == pytest.approx(expected)


@given(advantages, ratios)
def test_without_a_slope_it_is_the_clip(advantage: float, ratio: float) -> None:
    batch = minibatch([advantage], [ratio])
    flat = surrogate(rollback, batch, clip_range=0.2, rollback_slope=0.0)
    assert flat == pytest.approx(surrogate(clip, batch, clip_range=0.2), abs=1e-9)


@given(advantages, ratios, st.floats(-1.0, 2.0))
def test_falls_with_the_slope_from_the_plain_surrogate(advantage: float, ratio: float, slope_: float) -> None:
    batch = minibatch([advantage], [ratio])
    values = [surrogate(rollback, batch, clip_range=0.2, rollback_slope=a)[0] for a in (-1.0, slope_, slope_ + 0.5)]
    assert values[0] == float(batch.advantages * batch.ratio)
    assert values[0] >= values[1] - 1e-9
    assert values[1] >= values[2] - 1e-9


def test_log_counts_what_is_pulled_back() -> None:
    batch = minibatch([1, 1, -1, -1], [1.3, 0.7, 0.7, 1.3])
    assert float(log(batch, **PAPER)["rollback_fraction"]) == 0.5
