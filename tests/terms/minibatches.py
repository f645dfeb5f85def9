"""Hand-made minibatches for the tests of terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch as th
from hypothesis import strategies as st

from sb3_ppo_variants import Minibatch
from sb3_ppo_variants.kl import Distributions
from sb3_ppo_variants.loop.kept import KeptMinibatches

advantages = st.floats(-5.0, 5.0, width=32)
ratios = st.floats(2.0**-10, 2.0**10, width=32)


def minibatch(
    advantage: Sequence[float], ratio: Sequence[float], mean: Sequence[float] | None = None, grad: bool = False
) -> Minibatch:
    """Samples with these advantages and ratios; with ``mean``, old policies N(0, 1) and new ones N(mean, 1)."""
    log_ratio = th.tensor(ratio, dtype=th.float64).log().requires_grad_(grad)
    if mean is None:
        return Minibatch(th.tensor(advantage, dtype=th.float64), log_ratio)
    new = th.tensor(mean, dtype=th.float64).reshape(-1, 1).requires_grad_(grad)
    old, one = th.zeros_like(new).detach(), th.ones_like(new).detach()
    return Minibatch(
        th.tensor(advantage, dtype=th.float64),
        log_ratio,
        Distributions("normal", (old, one)),
        Distributions("normal", (new, one)),
    )


def surrogate(term: Callable[..., th.Tensor], batch: Minibatch, **coefficients: Any) -> list[float]:
    """What the term makes of the plain surrogate."""
    values: list[float] = term(batch.advantages * batch.ratio, batch, **coefficients).tolist()
    return values


def slope(
    term: Callable[..., th.Tensor], advantage: float, ratio: float, mean: float | None = None, **coefficients: Any
) -> float:
    """Derivative of the term on the plain surrogate with respect to the ratio, at a new mean that does not move."""
    batch = minibatch([advantage], [ratio], None if mean is None else [mean], grad=True)
    term(batch.advantages * batch.ratio, batch, **coefficients).sum().backward()  # type: ignore[no-untyped-call]
    assert batch.log_ratio.grad is not None
    return float(batch.log_ratio.grad) / ratio  # d/dr = (d/d log r) / r


def mean_slope(
    term: Callable[..., th.Tensor], advantage: float, ratio: float, mean: float, **coefficients: Any
) -> float:
    """Derivative of the term on the plain surrogate with respect to the new mean, at a ratio that does not move."""
    batch = minibatch([advantage], [ratio], [mean], grad=True)
    term(batch.advantages * batch.ratio, batch, **coefficients).sum().backward()  # type: ignore[no-untyped-call]
    assert batch._new is not None
    assert batch._new.tensors[0].grad is not None
    return float(batch._new.tensors[0].grad)


def together(parts: Sequence[Minibatch]) -> Minibatch:
    """All samples of some minibatches, as the loop keeps them."""
    kept = KeptMinibatches()
    for part in parts:
        kept.append(part.detach())
    return kept.all()
