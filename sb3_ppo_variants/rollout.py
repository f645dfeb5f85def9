"""The rollout buffer with what SB3 leaves out: which samples a minibatch holds, and a pass in storage order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import RolloutBuffer


def minibatches(buffer: RolloutBuffer, batch_size: int) -> Iterator[tuple[np.ndarray | None, Any]]:
    """One epoch of ``buffer.get(batch_size)``, each minibatch with its indices into the flattened rollout.

    SB3's samples carry no index, but its buffers all make them in ``_get_samples(batch_inds, ...)``.

    :param buffer: full
    :param batch_size: number of samples in a minibatch; the last one may be smaller
    :return: pairs of indices, shape ``(batch,)``, and what the buffer yields; the indices are ``None`` when the
        buffer makes its samples in another way
    """
    if not has_indices(buffer):
        yield from ((None, samples) for samples in buffer.get(batch_size))
        return
    asked: deque[np.ndarray] = deque()
    get_samples = partial(type(buffer)._get_samples, buffer)

    def remember(batch_inds: np.ndarray, *args: Any, **kwargs: Any) -> Any:
        asked.append(batch_inds)
        return get_samples(batch_inds, *args, **kwargs)

    buffer._get_samples = remember  # type: ignore[method-assign]
    try:
        for samples in buffer.get(batch_size):
            yield (asked.popleft() if asked else None), samples
    finally:
        vars(buffer).pop("_get_samples", None)  # the class's own again


def has_indices(buffer: RolloutBuffer) -> bool:
    """Whether the indices of a minibatch can be known.

    :param buffer: of any class
    """
    return hasattr(buffer, "_get_samples")


def in_storage_order(buffer: RolloutBuffer, batch_size: int, *arguments: Any) -> Iterator[Any]:
    """The whole rollout in storage order, without a draw from numpy's global generator.

    :param buffer: full
    :param batch_size: number of samples in a chunk; the last one may be smaller
    :param arguments: what this buffer's ``_get_samples`` takes besides the indices
    :return: what the buffer's minibatches are
    """
    if not buffer.generator_ready:
        # `get` flattens the arrays when it is first asked, but draws a permutation too: take that draw back.
        state = np.random.get_state()
        next(iter(buffer.get(batch_size)))
        np.random.set_state(state)
    size = buffer.buffer_size * buffer.n_envs
    for start in range(0, size, batch_size):
        yield buffer._get_samples(np.arange(start, min(start + batch_size, size)), *arguments)
