"""Operations of torch that a library runs slowly, in terms of others: the same numbers within rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch as th

aten: Any = th.ops.aten
# Products of a layer, from which on a call of BLAS pays: those of one observation are fewer.
LARGE = 2**12
# From here on the tangent is far enough from zero for a difference of numbers near one.
SMALL = 0.3


def addmm(bias: th.Tensor, left: th.Tensor, right: th.Tensor, *, beta: float = 1, alpha: float = 1) -> Any:
    """A small linear layer as a sum, which is fused with what follows.

    :param bias: added to the product
    :param left: matrix, a row per sample
    :param right: matrix
    :param beta: factor of the bias
    :param alpha: factor of the product
    """
    if beta != 1 or alpha != 1 or left.shape[0] * right.numel() > LARGE:
        return NotImplemented
    return (left.unsqueeze(1) * right.t().unsqueeze(0)).sum(-1) + bias


def multinomial(
    probabilities: th.Tensor, num_samples: int, replacement: bool = False, *, generator: th.Generator | None = None
) -> Any:
    """One sample per row, with the random numbers and the formula of torch.

    :param probabilities: a row per distribution
    :param num_samples: of each
    :param replacement: without effect for one sample
    :param generator: torch's own for ``None``
    """
    if num_samples != 1 or generator is not None:
        return NotImplemented
    exponential = aten.exponential.default(th.empty_like(probabilities), 1.0)
    return (probabilities / exponential).argmax(-1, keepdim=True)


def tanh(inputs: th.Tensor) -> Any:
    """The hyperbolic tangent by one exponential, or by its Taylor series where that would cancel.

    :param inputs: in single precision; the library has no faster way for others
    """
    if inputs.dtype != th.float32:
        return NotImplemented
    square = inputs * inputs
    series = inputs * (1 + square * (-1 / 3 + square * (2 / 15 + square * (-17 / 315 + square * (62 / 2835)))))
    far = 1 - 2 / (1 + (2 * inputs.abs()).exp())  # near one to half a rounding, as the inverse of a tangent needs it
    return th.where(square < SMALL**2, series, th.where(inputs < 0, -far, far))


def convolution(images: th.Tensor, weight: th.Tensor, *others: Any) -> Any:
    """A convolution of images whose channels lie last in memory, as the kernels of AVX2 want them.

    What follows it keeps this order, so that only the observations and the weights are ever brought into it.

    :param images: a batch, shape ``(n, channels, height, width)``; signals and volumes are left as they are
    :param weight: of the kernel
    :param others: arguments of the operation
    """
    ordered = _channels_last([images, weight])
    return NotImplemented if ordered is None else aten.convolution.default(*ordered, *others)


def convolution_backward(gradient: th.Tensor, images: th.Tensor, weight: th.Tensor, *others: Any) -> Any:
    """As :func:`convolution`, for its gradients.

    :param gradient: of the loss with respect to the output
    :param images: as there
    :param weight: as there
    :param others: as there
    """
    ordered = _channels_last([gradient, images, weight])
    return NotImplemented if ordered is None else aten.convolution_backward.default(*ordered, *others)


def _channels_last(tensors: Sequence[th.Tensor]) -> list[th.Tensor] | None:
    """The tensors in this order of memory; ``None`` if there is nothing to do."""
    order = th.channels_last
    if any(tensor.dim() != 4 for tensor in tensors) or all(t.is_contiguous(memory_format=order) for t in tensors):
        return None
    return [tensor.contiguous(memory_format=order) for tensor in tensors]


def once(tensor: th.Tensor) -> th.Tensor:
    """A small tensor that native code computes once, and not anew for every element of a larger one that it enters.

    :param tensor: of contiguous numbers
    """
    return tensor.as_strided(tensor.shape, tensor.stride())  # which reads memory, so there must be some


# On a CPU; a GPU's libraries are called without a detour.
DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    aten.addmm.default: addmm,
    aten.convolution.default: convolution,
    aten.convolution_backward.default: convolution_backward,
    aten.multinomial.default: multinomial,
    aten.tanh.default: tanh,
}
