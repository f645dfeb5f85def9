"""What a term sees of a minibatch."""

from __future__ import annotations

import pytest
import torch as th

from sb3_ppo_variants import Minibatch
from tests.terms.minibatches import minibatch, together


def test_the_ratio_is_the_exponential_of_its_logarithm() -> None:
    batch = Minibatch(th.tensor([1.0, 1.0]), th.tensor([0.0, 2.0]).log1p())
    assert batch.ratio.tolist() == pytest.approx([1.0, 3.0])


def test_the_divergence_is_computed_once_per_direction() -> None:
    batch = minibatch([1.0, 1.0], [1.0, 1.0], mean=[1.0, -3.0])
    assert not batch.asked_for_kl
    # Between N(0, 1) and N(m, 1) it is m**2 / 2 in both directions.
    forward = batch.kl()
    assert forward.tolist() == [0.5, 4.5]
    assert batch.kl("reverse").tolist() == [0.5, 4.5]
    assert batch.kl() is forward
    assert batch.asked_for_kl


def test_a_divergence_that_nobody_announced_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="exact forward KL is not known here: .* needs_kl=True"):
        minibatch([1.0], [1.0]).kl()


def test_detached_and_put_together() -> None:
    parts = [minibatch([1.0], [2.0], mean=[1.0], grad=True), minibatch([3.0, 5.0], [0.5, 1.0], mean=[2.0, 0.0])]
    for part in parts:
        part.kl()
    whole = together(parts)
    assert whole.advantages.tolist() == [1.0, 3.0, 5.0]
    assert whole.ratio.tolist() == pytest.approx([2.0, 0.5, 1.0])
    assert whole.kl().tolist() == [0.5, 2.0, 0.0]
    assert not whole.ratio.requires_grad
    assert not whole.kl().requires_grad
