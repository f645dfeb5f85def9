"""The numbers of torch's own operations."""

from __future__ import annotations

import pytest
import torch as th

from sb3_ppo_variants.compiled.decompositions import addmm, multinomial


@pytest.mark.parametrize("samples", [1, 8])
def test_a_small_layer(samples: int) -> None:
    bias, left, right = th.randn(5), th.randn(samples, 7), th.randn(7, 5)
    assert th.allclose(addmm(bias, left, right), th.addmm(bias, left, right), atol=1e-5)
    assert addmm(th.tensor([1.0]), th.tensor([[2.0, 3.0]]), th.tensor([[4.0], [5.0]])).tolist() == [[24.0]]


def test_a_large_layer_is_left_to_blas() -> None:
    assert addmm(th.zeros(256), th.zeros(2, 256), th.zeros(256, 256)) is NotImplemented
    assert addmm(th.zeros(2), th.zeros(2, 2), th.zeros(2, 2), alpha=2) is NotImplemented


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_the_draws_of_torch(rows: int) -> None:
    probabilities = th.rand(rows, 4)
    for seed in range(20):
        th.manual_seed(seed)
        expected, next_number = th.multinomial(probabilities, 1, True), th.rand(())
        th.manual_seed(seed)
        assert th.equal(multinomial(probabilities, 1, True), expected)
        assert th.rand(()) == next_number


def test_several_draws_are_left_to_torch() -> None:
    assert multinomial(th.ones(1, 2), 2) is NotImplemented
    assert multinomial(th.ones(1, 2), 1, generator=th.Generator()) is NotImplemented
