"""States of the rollout that are drawn apart from the minibatches."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from sb3_ppo_variants.kl import Distributions

# Draws the indices of a number of samples.
Indices = Callable[[np.random.Generator, int], np.ndarray]


def _of_global_generator() -> int:
    """A seed from the state of numpy's global generator, from which nothing is drawn."""
    state: Any = np.random.get_state(legacy=False)["state"]
    return zlib.crc32(state["key"].tobytes(), state["pos"])


class ApartDraws:
    """The draws of an update, from a generator of their own: the minibatches stay those of the run without them.

    The states of a step are known one step before it, when the policy of that time is evaluated in them. So no copy of
    its weights is needed. ``before`` is the policy before the step at hand, in its states; its memory is used again in
    each update.

    :param draw: draws indices
    """

    def __init__(self, draw: Indices) -> None:
        self._draw, self._number = draw, 0
        self._generator = np.random.default_rng(0)
        self._next = np.zeros(0, dtype=int)
        self.before: Distributions | None = None

    def begin(self, state: Any, seed: int | None, number: int) -> np.ndarray:
        """Begin an update.

        :param state: of the generator, as the last update left it; ``None`` for a new one
        :param seed: of a new one; without one it follows numpy's global generator, as SB3's minibatches do
        :param number: of the states of a step
        :return: the indices of the first step
        """
        self._generator = np.random.default_rng(_of_global_generator() if seed is None else seed)
        if state is not None:
            self._generator.bit_generator.state = state
        self._number = number
        self._next = self._draw(self._generator, number)
        return self._next

    @property
    def state(self) -> Any:
        """Of the generator."""
        return self._generator.bit_generator.state

    def next(self) -> tuple[np.ndarray, np.ndarray]:
        """The indices for this step, and for the next."""
        now, self._next = self._next, self._draw(self._generator, self._number)
        return now, self._next

    def keep(self, distributions: Distributions) -> None:
        """Keep the policy before a step, in its states.

        :param distributions: without gradient
        """
        shapes = [tensor.shape for tensor in distributions.tensors]
        if self.before is None or [tensor.shape for tensor in self.before.tensors] != shapes:
            self.before = Distributions(distributions.family, tuple(t.clone() for t in distributions.tensors))
            return
        for kept, tensor in zip(self.before.tensors, distributions.tensors, strict=True):
            kept.copy_(tensor)

    def with_before(self, before: Distributions) -> ApartDraws:
        """The same draws with other distributions, such as those of a trace.

        :param before: one step earlier
        """
        other = copy.copy(self)
        other.before = before
        return other
