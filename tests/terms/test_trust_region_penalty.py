from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.terms.trust_region_penalty import log, trust_region_penalty
from tests.terms.minibatches import advantages, mean_slope, minibatch, ratios, slope, surrogate

# KL(N(0, 1) || N(m, 1)) = m^2 / 2, with the derivative m: 0.08 at m = 0.4, 0.02 at m = 0.2.
TRULY = {"trust_region_kl": 0.03, "trust_region_penalty_coef": 5.0}


def test_by_hand() -> None:
    # Outside and improving: 5 * (0.08 - 0.03) = 0.25 off r A; else r A.
    batch = minibatch([2, 2, 2, -2, -2], [1.3, 0.7, 1.3, 0.7, 1.3], [0.4, 0.4, 0.2, 0.4, 0.4])
    assert surrogate(trust_region_penalty, batch, **TRULY) == pytest.approx([2.35, 1.4, 2.6, -1.65, -2.6])


@pytest.mark.parametrize(
    ("advantage", "ratio", "mean", "expected"),
    [(2, 1.3, 0.4, -2.0), (-2, 0.7, 0.4, -2.0), (2, 0.7, 0.4, 0.0), (-2, 1.3, 0.4, 0.0), (2, 1.3, 0.2, 0.0)],
)
def test_gradient_of_the_penalty_by_trigger_and_sign(
    advantage: float, ratio: float, mean: float, expected: float
) -> None:
    # -5 m outside, nothing inside; the part of r A is A everywhere.
    assert mean_slope(trust_region_penalty, advantage, ratio, mean, **TRULY) == pytest.approx(expected)
    assert slope(trust_region_penalty, advantage, ratio, mean, **TRULY) == pytest.approx(advantage)


@given(advantages, ratios, st.floats(0.0, 3.0))
def test_never_above_the_plain_surrogate_and_continuous_at_the_edge(
    advantage: float, ratio: float, mean: float
) -> None:
    batch = minibatch([advantage], [ratio], [mean])
    plain = float(batch.advantages * batch.ratio)
    assert surrogate(trust_region_penalty, batch, **TRULY)[0] <= plain
    at_the_edge = {"trust_region_kl": mean**2 / 2, "trust_region_penalty_coef": 5.0}
    assert surrogate(trust_region_penalty, batch, **at_the_edge)[0] == pytest.approx(plain, abs=1e-9)


def test_log() -> None:
    batch = minibatch([1, 1, -1, 1], [1.3, 0.7, 0.7, 1.3], [0.4, 0.4, 0.4, 0.2])
    logged = log(batch, **TRULY)
    assert float(logged["trust_region_penalty_fraction"]) == 0.5
    assert float(logged["trust_region_penalty"]) == pytest.approx(0.125)
