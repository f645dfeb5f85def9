"""Native code is checked while it is used: now and then eager code does the same, and the numbers are compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch as th

# Ten times and more what rounding does in single precision, the products of TF32 on a GPU included. A gradient may
# differ by more, because a ReLU at its kink, or a ratio at the bound of the clip, makes a jump of a rounding error.
TOLERANCE, TOLERANCE_OF_GRADIENT = 1e-3, 1e-2
FIRST, LONGEST = 10, 100


class CheckTimes:
    """When a trace is checked: each of the first ten times, then at distances that grow by half, to 100."""

    def __init__(self) -> None:
        self._uses = self._next = 0

    @property
    def is_first(self) -> bool:
        """Whether the trace has not been used yet."""
        return self._uses == 0

    def due(self) -> bool:
        """Whether it is checked this time; called every time."""
        due = self._uses == self._next
        self._uses += 1
        if due:
            self._next += 1 if self._uses < FIRST else min(LONGEST, self._uses // 2)
        return due


class Quantity(NamedTuple):
    """A quantity of native and of eager code.

    :param name: for the message
    :param native: its numbers, in one tensor or several
    :param eager: the same, of eager code
    :param scale: of a number that is not small; what is smaller may be rounding
    :param tolerance: of the difference, relative to the numbers and the scale
    """

    name: str
    native: th.Tensor | Sequence[th.Tensor]
    eager: th.Tensor | Sequence[th.Tensor]
    scale: float = 1.0
    tolerance: float = TOLERANCE


def difference(quantities: Iterable[Quantity]) -> str | None:
    """The first quantity that differs by more than rounding, with its relative difference.

    :param quantities: in the order in which they cause one another
    """
    for name, native, eager, scale, tolerance in quantities:
        mine, theirs = _listed(native), _listed(eager)
        if [tensor.numel() for tensor in mine] != [tensor.numel() for tensor in theirs]:
            return f"{name} has another shape"
        size = _norm(theirs) + scale * math.sqrt(sum(tensor.numel() for tensor in theirs))
        relative = _norm([one.flatten() - other.flatten() for one, other in zip(mine, theirs, strict=True)]) / size
        # What is not finite in eager code as well is for the checks of the loop.
        if not relative <= tolerance and all(bool(tensor.isfinite().all()) for tensor in theirs):
            return f"{name} differs by {relative:.1g} of its size"
    return None


def _listed(tensors: th.Tensor | Sequence[th.Tensor]) -> list[th.Tensor]:
    """Numbers that can be subtracted; those in single precision stay so, for a gradient in double is a large copy."""
    listed = [tensors] if isinstance(tensors, th.Tensor) else tensors
    return [tensor.detach() if tensor.is_floating_point() else tensor.detach().double() for tensor in listed]


def _norm(tensors: Sequence[th.Tensor]) -> float:
    return math.hypot(*(float(th.linalg.vector_norm(tensor, dtype=th.double)) for tensor in tensors))


def draws_of(device: th.device) -> th.Tensor:
    """The state of torch's generator.

    :param device: that it draws for
    """
    return th.cuda.get_rng_state(device) if device.type == "cuda" else th.get_rng_state()


def draw_again(device: th.device, state: th.Tensor) -> None:
    """Let torch's generator go on from another state.

    :param device: that it draws for
    :param state: from :func:`draws_of`
    """
    if device.type == "cuda":
        th.cuda.set_rng_state(state, device)
    else:
        th.set_rng_state(state)


def copies(tensors: Sequence[th.Tensor]) -> list[th.Tensor]:
    """The numbers in some tensors, for :func:`write_back`.

    :param tensors: that a step writes to
    """
    return [tensor.clone() for tensor in tensors]


def write_back(tensors: Sequence[th.Tensor], before: Sequence[th.Tensor]) -> None:
    """Write earlier numbers to tensors, which stay the same objects.

    :param tensors: that a step has written to
    :param before: from :func:`copies`
    """
    for tensor, earlier in zip(tensors, before, strict=True):
        tensor.copy_(earlier)
