from __future__ import annotations

import math

import pytest
import torch as th
from hypothesis import given
from hypothesis import strategies as st

from sb3_ppo_variants.terms.cispo import cispo
from tests.terms.minibatches import advantages, minibatch, ratios, slope, surrogate

RANGES = {"cispo_lower_range": 0.5, "cispo_upper_range": 0.25}
PAPER = {"cispo_lower_range": 1.0, "cispo_upper_range": 0.25}


def test_by_hand() -> None:
    # Within the range A r; the weight is 1.25 at r = 4 and 0.5 at r = 0.25, for either sign.
    batch = minibatch([2, 2, -2, 2, -2, 2, -2], [1.0, 1.2, 0.6, 4.0, 4.0, 0.25, 0.25])
    expected = [2.0, 2.4, -1.2, 2.5, -2.5, 1.0, -1.0]
    assert surrogate(cispo, batch, **RANGES) == pytest.approx(expected)


@pytest.mark.parametrize("advantage", [2.0, -2.0])
@pytest.mark.parametrize(("ratio", "factor"), [(1.0, 1.0), (1.2, 1.0), (0.6, 1.0), (4.0, 1.25 / 4), (0.25, 0.5 / 0.25)])
def test_no_sample_loses_its_gradient(advantage: float, ratio: float, factor: float) -> None:
    # d/dr of the log-probability is 1 / r, and its weight is clipped.
    assert slope(cispo, advantage, ratio, **RANGES) == pytest.approx(advantage * factor)


@pytest.mark.parametrize("advantage", [2.0, -2.0])
def test_the_paper_bounds_the_weight_from_above_alone(advantage: float) -> None:
    assert slope(cispo, advantage, 1e-3, **PAPER) == pytest.approx(advantage)
    assert slope(cispo, advantage, 5.0, **PAPER) == pytest.approx(advantage * 0.25)


@given(advantages, ratios, st.floats(0.0, 1.0), st.floats(0.0, 10.0))
def test_is_the_policy_gradient_with_a_clipped_weight(
    advantage: float, ratio: float, lower: float, upper: float
) -> None:
    batch = minibatch([advantage], [ratio], grad=True)
    value = cispo(batch.advantages * batch.ratio, batch, cispo_lower_range=lower, cispo_upper_range=upper)
    expected = advantage * min(max(ratio, 1 - lower), 1 + upper)
    (gradient,) = th.autograd.grad(value.sum(), batch.log_ratio)
    assert float(value.detach()) == pytest.approx(expected)
    assert float(gradient) == pytest.approx(expected)


@given(advantages, ratios)
def test_with_the_widest_range_it_is_the_plain_surrogate(advantage: float, ratio: float) -> None:
    batch = minibatch([advantage], [ratio])
    value = surrogate(cispo, batch, cispo_lower_range=1.0, cispo_upper_range=math.inf)
    assert value == (batch.advantages * batch.ratio).tolist()


def test_an_excluded_action_has_a_finite_surrogate() -> None:
    # log 0 less log 0 would be no number.
    assert surrogate(cispo, minibatch([2.0, -2.0], [0.0, 0.0]), **PAPER) == [0.0, -0.0]
