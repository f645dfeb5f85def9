from __future__ import annotations

import pytest
import torch as th
from hypothesis import given

from sb3_ppo_variants.chain import build_chain
from sb3_ppo_variants.terms import TERMS
from sb3_ppo_variants.terms.positive_advantage import positive_advantage
from tests.terms.minibatches import advantages, minibatch, ratios, slope, surrogate


def test_by_hand() -> None:
    batch = minibatch([2, 2, -2, -2, 0], [1.5, 0.5, 1.5, 0.5, 1.5])
    assert surrogate(positive_advantage, batch) == pytest.approx([3.0, 1.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("advantage", "expected"), [(2.0, 2.0), (0.5, 0.5), (0.0, 0.0), (-0.5, 0.0), (-2.0, 0.0)])
def test_gradient(ratio: float, advantage: float, expected: float) -> None:
    assert slope(positive_advantage, advantage, ratio) == pytest.approx(expected)


@given(advantages, ratios)
def test_is_the_plain_surrogate_of_the_relu_of_the_advantage(advantage: float, ratio: float) -> None:
    assert surrogate(positive_advantage, minibatch([advantage], [ratio])) == (
        surrogate(lambda plain, _: plain, minibatch([max(advantage, 0.0)], [ratio]))
    )


@given(advantages, ratios)
def test_after_a_clip_it_is_the_clip_of_the_relu_of_the_advantage(advantage: float, ratio: float) -> None:
    both, clip = (
        build_chain(names, TERMS).bind({"clip_range": 0.2}) for names in (["clip", "positive_advantage"], ["clip"])
    )
    assert both(minibatch([advantage], [ratio])).tolist() == clip(minibatch([max(advantage, 0.0)], [ratio])).tolist()


def test_before_a_clip_is_refused() -> None:
    # The clip's minimum of 0 and A clip(r) would bring the bad actions back.
    with pytest.raises(ValueError, match=r"'clip' \(shape\) cannot come after 'positive_advantage' \(bound\)"):
        build_chain(["positive_advantage", "clip"], TERMS)


def test_a_sample_without_an_advantage_has_none_of_what_came_before() -> None:
    batch = minibatch([0.0, -1.0, 1.0], [2.0, 2.0, 2.0])
    assert positive_advantage(th.tensor([3.0, 3.0, 3.0]), batch).tolist() == [0.0, 0.0, 3.0]
