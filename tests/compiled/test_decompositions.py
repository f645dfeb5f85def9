"""The numbers of torch's own operations."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch as th
from hypothesis import given
from hypothesis import strategies as st
from torch._inductor.utils import run_and_get_cpp_code

from sb3_ppo_variants.compiled.decompositions import (
    addmm,
    convolution,
    convolution_backward,
    multinomial,
    once,
    tanh,
)

CHANNELS_LAST = th.channels_last


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


@given(st.floats(-30, 30, width=32) | st.floats(-0.5, 0.5, width=32))
def test_the_tangent_is_exact_to_a_few_roundings(number: float) -> None:
    expected = math.tanh(number)
    assert abs(tanh(th.tensor([number])).item() - expected) <= 5e-7 * abs(expected) + 1e-44


def test_the_tangent_of_large_numbers_and_of_none() -> None:
    inputs = th.tensor([math.inf, -math.inf, 1e30, -1e30, 0.0])
    assert tanh(inputs).tolist() == [1, -1, 1, -1, 0]
    assert tanh(th.tensor([math.nan])).isnan().all()
    assert tanh(th.zeros(1, dtype=th.float64)) is NotImplemented


def test_a_convolution_of_images_with_their_channels_last() -> None:
    images, weight, bias = th.randn(2, 3, 8, 8), th.randn(5, 3, 2, 2), th.randn(5)
    rest = ([2, 2], [0, 0], [1, 1], False, [0, 0], 1)
    output = convolution(images, weight, bias, *rest)
    assert output.is_contiguous(memory_format=CHANNELS_LAST)
    assert th.allclose(output, th.nn.functional.conv2d(images, weight, bias, 2), atol=1e-5)
    gradient = th.randn_like(output).contiguous()
    arguments = ([5], *rest, [True, True, True])
    found = convolution_backward(gradient, images, weight, *arguments)
    expected = th.ops.aten.convolution_backward(gradient, images, weight, *arguments)
    assert all(th.allclose(one, other, atol=1e-4) for one, other in zip(found, expected, strict=True))


def test_convolutions_with_nothing_to_do() -> None:
    rest: Any = (None, [1], [0], [1], False, [0], 1)
    assert convolution(th.randn(2, 3, 8), th.randn(5, 3, 2), *rest) is NotImplemented
    images, weight = (th.randn(2, 3, 4, 4).contiguous(memory_format=CHANNELS_LAST) for _ in range(2))
    assert convolution(images, weight, *rest) is NotImplemented


def test_a_small_tensor_is_computed_once() -> None:
    def function(small: th.Tensor, large: th.Tensor) -> th.Tensor:
        return large * once(small**3.3)

    small, large = th.tensor([2.0]), th.randn(4096)
    result, code = run_and_get_cpp_code(th.compile(function), small, large)
    assert th.allclose(result, large * 9.849155, rtol=1e-6)
    before_the_loop, loop = code.split("4096L", maxsplit=1)
    assert "std::pow" in before_the_loop
    assert "std::pow" not in loop
