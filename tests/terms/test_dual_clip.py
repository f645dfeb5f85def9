from __future__ import annotations

import pytest
import torch as th
from hypothesis import given

from sb3_ppo_variants import Minibatch
from sb3_ppo_variants.terms.clip import clip
from sb3_ppo_variants.terms.dual_clip import caution, dual_clip, log
from tests.terms.minibatches import advantages, minibatch, ratios, slope, surrogate


def clip_and_dual_clip(surrogate: th.Tensor, batch: Minibatch, *, c: float = 3.0) -> th.Tensor:
    return dual_clip(clip(surrogate, batch, clip_range=0.2), batch, dual_clip=c)


def test_by_hand() -> None:
    # A = -2, c = 3: r = 2 gives -4 as in PPO, r = 5 gives -6 where PPO has -10; A = 2 is PPO.
    batch = minibatch([-2, -2, -2, 2, 2], [0.5, 2.0, 5.0, 5.0, 0.5])
    assert surrogate(clip_and_dual_clip, batch) == pytest.approx([-1.6, -4.0, -6.0, 2.4, 1.0])


@pytest.mark.parametrize(
    ("advantage", "ratio", "expected"),
    [(-2, 0.7, 0), (-2, 0.9, -2), (-2, 2.9, -2), (-2, 3.1, 0), (2, 0.7, 2), (2, 1.1, 2), (2, 1.3, 0), (2, 3.1, 0)],
)
def test_gradient_on_each_side_of_each_kink(advantage: float, ratio: float, expected: float) -> None:
    assert slope(clip_and_dual_clip, advantage, ratio) == pytest.approx(expected)


@given(ratios)
def test_positive_advantages_keep_their_gradient(ratio: float) -> None:
    # Without the mask, max(..., c A) replaces every positive sample by a constant: tianshou issue #433, and still so
    # for continuous actions in DI-engine.
    assert slope(dual_clip, 1.0, ratio, dual_clip=3.0) == pytest.approx(1.0)
    assert slope(clip_and_dual_clip, 1.0, min(ratio, 1.1)) == pytest.approx(1.0)


@given(advantages, ratios)
def test_bounds(advantage: float, ratio: float) -> None:
    batch = minibatch([advantage], [ratio])
    plain = surrogate(clip, batch, clip_range=0.2)[0]
    dual = surrogate(clip_and_dual_clip, batch)[0]
    if advantage < 0:
        assert dual >= 3.0 * advantage
        assert dual == max(plain, 3.0 * advantage)
    else:
        assert dual == plain


def test_log_counts_negative_advantages_beyond_the_bound() -> None:
    batch = minibatch([-1, -1, 1, -1], [3.5, 2.9, 3.5, 0.1])
    assert log(batch, dual_clip=3.0) == {"dual_clip_fraction": pytest.approx(0.25)}


def test_caution_within_the_clip_range() -> None:
    assert caution({"dual_clip": 3.0, "clip_range": 0.2}) is None
    assert caution({"dual_clip": 1.1}) is None
    assert "dual_clip=1.2" in (caution({"dual_clip": 1.2, "clip_range": 0.2}) or "")
