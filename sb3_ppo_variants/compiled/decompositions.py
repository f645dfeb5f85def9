"""Operations of torch that a library calls slowly, in terms of others: the same numbers within rounding.

They matter for a rollout, whose operations are so small that a call costs more than what it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch as th

aten: Any = th.ops.aten
# Products of a matrix, from which on a call of BLAS pays.
LARGE = 2**16


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


# On a CPU; a GPU's libraries are called without a detour.
DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {aten.addmm.default: addmm, aten.multinomial.default: multinomial}
