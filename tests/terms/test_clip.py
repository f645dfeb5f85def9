from __future__ import annotations

import pytest
import torch as th
from hypothesis import given

from sb3_ppo_variants.terms.clip import clip, log
from tests.terms.minibatches import advantages, minibatch, ratios, slope, surrogate


def test_by_hand() -> None:
    # epsilon = 0.2, A = 2: r = 0.5, 1, 1.3 give 1, 2 and 1.2 * 2; A = -2: -0.8 * 2, -2, -2.6.
    batch = minibatch([2, 2, 2, -2, -2, -2], [0.5, 1.0, 1.3, 0.5, 1.0, 1.3])
    assert surrogate(clip, batch, clip_range=0.2) == pytest.approx([1.0, 2.0, 2.4, -1.6, -2.0, -2.6])


@pytest.mark.parametrize(
    ("advantage", "ratio", "expected"),
    [(2, 0.7, 2), (2, 1.1, 2), (2, 1.3, 0), (-2, 0.7, 0), (-2, 0.9, -2), (-2, 1.3, -2), (0, 1.3, 0)],
)
def test_gradient_on_each_side_of_each_kink(advantage: float, ratio: float, expected: float) -> None:
    assert slope(clip, advantage, ratio, clip_range=0.2) == pytest.approx(expected)


@given(advantages, ratios)
def test_is_a_lower_bound_of_the_plain_surrogate(advantage: float, ratio: float) -> None:
    batch = minibatch([advantage], [ratio])
    assert surrogate(clip, batch, clip_range=0.2)[0] <= float(batch.advantages * batch.ratio)


@given(advantages, ratios)
def test_a_huge_range_is_no_limit(advantage: float, ratio: float) -> None:
    batch = minibatch([advantage], [ratio])
    assert surrogate(clip, batch, clip_range=1e9)[0] == float(batch.advantages * batch.ratio)


def test_log_splits_the_clip_fraction() -> None:
    # Outside the range: the first four. The gradient is gone in the first two, alive in the next two.
    batch = minibatch([1, -1, 1, -1, 1], [1.3, 0.7, 0.7, 1.3, 1.1])
    logged = log(batch, clip_range=0.2)
    assert logged["clip_fraction_removed"] == pytest.approx(0.4)
    assert logged["clip_fraction_alive"] == pytest.approx(0.4)
    assert isinstance(logged["clip_fraction_alive"], th.Tensor)
