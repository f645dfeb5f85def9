from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.terms.kl_hinge import kl_hinge, log
from tests.terms.minibatches import mean_slope, minibatch, surrogate

# KL(N(0, 1) || N(m, 1)) = m^2 / 2, with the derivative m.
AUTHORS = {"kl_hinge_coef": 1000.0, "kl_hinge_start": 0.02}


def test_by_hand() -> None:
    # Divergences 0.08 and 0, mean 0.04: every sample pays 1000 * 0.02^2 = 0.4, whatever its own divergence.
    batch = minibatch([2, -1], [1.0, 1.0], [0.4, 0.0])
    assert surrogate(kl_hinge, batch, **AUTHORS) == pytest.approx([1.6, -1.4])
    assert float(log(batch, **AUTHORS)["kl_hinge_excess"]) == pytest.approx(0.02)


@pytest.mark.parametrize(("mean", "expected"), [(0.1, 0.0), (0.19, 0.0), (0.4, -48.0)])
def test_gradient_on_each_side_of_the_kink(mean: float, expected: float) -> None:
    # -2 * 1000 * (0.08 - 0.02) * 0.4 at m = 0.4.
    assert mean_slope(kl_hinge, 1.0, 1.0, mean, **AUTHORS) == pytest.approx(expected)


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=6), st.floats(0.0, 0.2))
def test_the_same_for_all_samples_and_none_below_the_start(means: list[float], start: float) -> None:
    batch = minibatch([1.0] * len(means), [1.0] * len(means), means)
    values = surrogate(kl_hinge, batch, kl_hinge_coef=1000.0, kl_hinge_start=start)
    assert len(set(values)) == 1
    assert values[0] <= 1.0
    if sum(mean**2 / 2 for mean in means) / len(means) <= start:
        assert values[0] == 1.0
