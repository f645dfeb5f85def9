from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.terms.spo import log, spo
from tests.terms.minibatches import advantages, minibatch, ratios, slope, surrogate


def test_by_hand() -> None:
    # A = 2, epsilon = 0.2: the penalty is 5 (r - 1)^2: 0.2 at 1.2, 1.25 at 1.5; the sign of A does not matter to it.
    batch = minibatch([2, 2, 2, -2, -2], [1.0, 1.2, 1.5, 0.8, 1.2])
    assert surrogate(spo, batch, spo_range=0.2) == pytest.approx([2.0, 2.2, 1.75, -1.8, -2.6])


@pytest.mark.parametrize(
    ("advantage", "ratio", "expected"),
    [(2, 1.0, 2), (2, 1.1, 1), (2, 1.2, 0), (2, 1.4, -2), (-2, 0.8, 0), (-2, 0.6, 2), (-2, 1.2, -4), (2, 0.8, 4)],
)
def test_gradient(advantage: float, ratio: float, expected: float) -> None:
    # A - |A| (r - 1) / 0.2; against the advantage it pulls harder than the plain surrogate does.
    assert slope(spo, advantage, ratio, spo_range=0.2) == pytest.approx(expected)


@given(advantages, ratios, st.floats(0.01, 10.0))
def test_is_largest_at_the_edge_of_the_range(advantage: float, ratio: float, spo_range: float) -> None:
    best = 1 + (spo_range if advantage > 0 else -spo_range)
    batch = minibatch([advantage], [ratio])
    value = surrogate(spo, batch, spo_range=spo_range)[0]
    # At r = 1 + sign(A) epsilon: r A - |A| epsilon / 2.
    assert value <= best * advantage - abs(advantage) * spo_range / 2 + 1e-6
    assert value <= float(batch.advantages * batch.ratio)


@given(advantages, ratios)
def test_a_huge_range_is_no_limit(advantage: float, ratio: float) -> None:
    batch = minibatch([advantage], [ratio])
    assert surrogate(spo, batch, spo_range=1e12)[0] == pytest.approx(float(batch.advantages * batch.ratio), abs=1e-4)


def test_log() -> None:
    batch = minibatch([2, -2, 1, -1], [1.3, 1.2, 1.0, 0.7])
    logged = log(batch, spo_range=0.2)
    # 5 * 0.09, 5 * 0.04, 0 and 2.5 * 0.09.
    assert float(logged["spo_penalty"]) == pytest.approx((0.45 + 0.2 + 0.0 + 0.225) / 4)
    assert float(logged["spo_fraction_beyond"]) == 0.5
