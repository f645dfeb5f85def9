"""What terms log, at the bounds of their cases: numbers that a binary float holds, so that a bound is met exactly."""

from __future__ import annotations

from typing import Any

import pytest

from sb3_ppo_variants.terms.asymmetric_clip import log as asymmetric_clip
from sb3_ppo_variants.terms.cispo import log as cispo
from sb3_ppo_variants.terms.clip import log as clip
from sb3_ppo_variants.terms.drift import log as drift
from sb3_ppo_variants.terms.dual_clip import caution
from sb3_ppo_variants.terms.dual_clip import log as dual_clip
from sb3_ppo_variants.terms.positive_advantage import log as positive_advantage
from sb3_ppo_variants.terms.rollback import log as rollback
from sb3_ppo_variants.terms.spo import log as spo
from sb3_ppo_variants.terms.trust_region import log as trust_region
from sb3_ppo_variants.terms.trust_region_penalty import log as trust_region_penalty
from tests.terms.minibatches import minibatch

# KL(N(0, 1) || N(m, 1)) = m^2 / 2: 2 and 0.5.
FAR, NEAR = 2.0, 1.0
# (advantage, ratio, new mean) of each sample, and what is logged of all of them.
CASES: dict[str, tuple[Any, dict[str, float], list[tuple[float, float, float]], dict[str, float]]] = {
    "clip": (
        clip,
        {"clip_range": 0.5},
        # At the bound; outside without an advantage; removed; twice alive.
        [(1, 0.5, 0), (0, 2, 0), (1, 2, 0), (-1, 2, 0), (1, 0.25, 0)],
        {"clip_fraction_removed": 1 / 5, "clip_fraction_alive": 3 / 5},
    ),
    "asymmetric_clip": (
        asymmetric_clip,
        {"lower_clip_range": 0.5, "upper_clip_range": 1.0},
        # Below: removed, at the bound, three alive. Above: removed, at the bound, three alive. Between.
        [
            *[(-1, 0.25, 0), (-1, 0.5, 0), (0, 0.25, 0), (0.5, 0.25, 0), (1, 0.25, 0)],
            *[(1, 4, 0), (1, 2, 0), (0, 4, 0), (-0.5, 4, 0), (-1, 4, 0), (1, 1, 0), (-1, 1, 0), (-2, 1, 0)],
        ],
        {"lower_clip_fraction": 1 / 13, "upper_clip_fraction": 1 / 13},
    ),
    "rollback": (
        rollback,
        {"clip_range": 0.5, "rollback_slope": 0.3},
        [(-1, 0.5, 0), (0, 2, 0), (1, 2, 0), (-1, 2, 0), (1, 0.25, 0), (1, 1, 0), (-1, 1, 0)],
        {"rollback_fraction": 1 / 7},
    ),
    "spo": (
        spo,
        {"spo_range": 0.5},
        # Beyond its optimum, at it, beyond the other way, without an advantage.
        [(2, 2, 0), (-4, 0.5, 0), (-1, 2, 0), (0, 4, 0), (1, 1, 0)],
        # |A| / (2 * 0.5) * (r - 1)^2 = 2, 1, 1, 0, 0.
        {"spo_fraction_beyond": 1 / 5, "spo_penalty": 4 / 5},
    ),
    "cispo": (
        cispo,
        {"cispo_lower_range": 0.5, "cispo_upper_range": 1.0},
        # Below, at the bound, above, at the bound, between: whatever the advantage is.
        [(-1, 0.25, 0), (0, 0.25, 0), (1, 0.5, 0), (1, 4, 0), (-1, 2.5, 0), (-1, 2, 0), (1, 1, 0)],
        {"cispo_fraction": 4 / 7},
    ),
    "positive_advantage": (
        positive_advantage,
        {},
        [(0.5, 2, 0), (0, 2, 0), (-0.5, 0.5, 0), (2, 0.5, 0), (-2, 1, 0)],
        {"positive_advantage_fraction": 2 / 5},
    ),
    "dual_clip": (
        dual_clip,
        {"dual_clip": 2.0},
        [(-1, 4, 0), (-1, 2, 0), (0, 4, 0), (0.5, 4, 0), (2, 4, 0)],
        {"dual_clip_fraction": 1 / 5},
    ),
    "trust_region": (
        trust_region,
        {"trust_region_kl": 0.5, "trust_region_slope": 0.0},
        # Far out and at the bound, moving on; far out, moving back, and with no direction; inside.
        [(1, 2, FAR), (-1, 0.5, NEAR), (1, 0.5, FAR), (0, 2, FAR), (1, 1, FAR), (1, 2, 0.5)],
        {"trust_region_fraction": 2 / 6},
    ),
    "trust_region_penalty": (
        trust_region_penalty,
        {"trust_region_kl": 0.5, "trust_region_penalty_coef": 5.0},
        [(1, 2, FAR), (-1, 0.5, NEAR), (1, 0.5, FAR), (1, 2, 0.5)],
        # 5 * (2 - 0.5) for the first; the second is at the bound and pays nothing.
        {"trust_region_penalty_fraction": 2 / 4, "trust_region_penalty": 7.5 / 4},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_log(name: str) -> None:
    log, coefficients, samples, expected = CASES[name]
    advantage, ratio, mean = zip(*samples, strict=True)
    batch = minibatch(advantage, ratio, mean)
    logged = {key: float(value) for key, value in log(batch, **coefficients).items()}
    assert logged == pytest.approx(expected, abs=1e-7)


def test_the_drift_of_small_and_no_advantages() -> None:
    # A = 0.5, r = 9: 4 - 2 tanh(2) on the positive side; on the negative side (log 9) / 2 = 1.0986, less 0.6 tanh of
    # 1.8310, would be 0.5294.
    assert float(drift(minibatch([0.5], [9.0]), positive_drift_scale=2.0, negative_drift_scale=0.6)["drift"]) == (
        pytest.approx(2.0719448)
    )


@pytest.mark.parametrize(("bound", "cautious"), [(1.25, True), (1.5, True), (1.75, False), (2.25, False)])
def test_a_dual_clip_inside_the_clip_range_is_cautioned_against(bound: float, cautious: bool) -> None:
    said = caution({"dual_clip": bound, "clip_range": 0.5})
    assert (said is not None) is cautious
    if said is not None:
        assert said.startswith(f"dual_clip={bound} is not above 1 + clip_range = 1.5: ")
    assert caution({"dual_clip": bound}) is None
