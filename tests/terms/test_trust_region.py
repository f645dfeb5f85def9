from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.terms.trust_region import log, trust_region
from tests.terms.minibatches import advantages, minibatch, ratios, slope, surrogate

# KL(N(0, 1) || N(m, 1)) = m^2 / 2: 0.02 at m = 0.2 and 0.0288 at m = 0.24.
INSIDE, OUTSIDE = 0.2, 0.24
TR_PPO = {"trust_region_kl": 0.025, "trust_region_slope": 0.0}
TR_PPO_RB = {"trust_region_kl": 0.025, "trust_region_slope": 0.05}


@pytest.mark.parametrize(
    ("advantage", "ratio", "mean", "tr", "tr_rb"),
    [
        # On the way out in the direction of the advantage: held, or pulled back.
        (2, 1.3, OUTSIDE, 0, -0.1),
        (2, 1.01, OUTSIDE, 0, -0.1),
        (-2, 0.7, OUTSIDE, 0, 0.1),
        (-2, 0.99, OUTSIDE, 0, 0.1),
        # Against the advantage: free to come back. The literal minimum of eq. 16 has -0.1 in the first of these,
        # which pushes the ratio further down, and -2 for (-2, 0.7) above, which never rolls back.
        (2, 0.7, OUTSIDE, 2, 2),
        (-2, 1.3, OUTSIDE, -2, -2),
        # Within the trust region, however far the ratio.
        (2, 9.0, INSIDE, 2, 2),
        (-2, 0.1, INSIDE, -2, -2),
        (0, 9.0, OUTSIDE, 0, 0),
    ],
)
def test_gradient_by_trigger_and_sign(advantage: float, ratio: float, mean: float, tr: float, tr_rb: float) -> None:
    assert slope(trust_region, advantage, ratio, mean, **TR_PPO) == pytest.approx(tr)
    assert slope(trust_region, advantage, ratio, mean, **TR_PPO_RB) == pytest.approx(tr_rb)


def test_the_edge_belongs_to_the_outside() -> None:
    # m = 1: a divergence of exactly 0.5.
    assert slope(trust_region, 2, 1.3, 1.0, trust_region_kl=0.5, trust_region_slope=0.0) == 0.0
    assert slope(trust_region, 2, 1.3, 1.0, trust_region_kl=0.5000001, trust_region_slope=0.0) == pytest.approx(2.0)


@given(advantages, ratios, st.floats(0.0, 3.0), st.floats(0.0, 1.0))
def test_the_value_is_the_plain_surrogate(advantage: float, ratio: float, mean: float, alpha: float) -> None:
    batch = minibatch([advantage], [ratio], [mean])
    value = surrogate(trust_region, batch, trust_region_kl=0.025, trust_region_slope=alpha)
    assert value == pytest.approx([float(batch.advantages * batch.ratio)], rel=1e-9, abs=1e-12)


@given(st.sampled_from([-2.0, 2.0]), ratios, st.floats(0.0, 3.0))
def test_a_large_region_is_no_limit(advantage: float, ratio: float, mean: float) -> None:
    free = slope(trust_region, advantage, ratio, mean, trust_region_kl=1e9, trust_region_slope=0.5)
    assert free == pytest.approx(advantage)


def test_log_counts_what_is_held() -> None:
    batch = minibatch([1, 1, -1, 1], [1.3, 0.7, 0.7, 1.3], [OUTSIDE, OUTSIDE, OUTSIDE, INSIDE])
    assert float(log(batch, **TR_PPO)["trust_region_fraction"]) == 0.5
