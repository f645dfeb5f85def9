"""The rollout buffer with what SB3 leaves out: which samples a minibatch holds, and a pass in storage order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch as th
from stable_baselines3.common.buffers import RolloutBuffer

STOCK_PACKAGES = ("stable_baselines3", "sb3_contrib")


class Draw(NamedTuple):
    """A minibatch drawn from the rollout.

    :param indices: into the flattened rollout, shape ``(batch,)``; ``None`` when the buffer does not tell them
    :param samples: what the buffer made; ``None`` when the minibatch is the rows of the whole rollout at ``indices``
    :param apart: the indices of states drawn apart for this step, and for the next; ``None`` if nothing needs them
    """

    indices: np.ndarray | None
    samples: Any
    apart: tuple[np.ndarray, np.ndarray] | None = None


class Terminal(NamedTuple):
    """The end of an episode that its time limit cut off.

    :param step: of the rollout
    :param env: number of the environment
    :param observation: the last one
    """

    step: int
    env: int
    observation: Any


def is_cut_off(info: Mapping[str, Any]) -> bool:
    """Whether an episode ended by its time limit alone, so that the value of its last observation counts.

    :param info: of the step that ended it
    """
    return info.get("terminal_observation") is not None and info.get("TimeLimit.truncated", False)


@dataclass(frozen=True)
class _Remembering:
    """A buffer's ``_get_samples`` during an epoch, which keeps what it makes.

    :param buffer: of any class
    :param own: what the buffer had in place of the method of its class, ``None`` for nothing
    :param made: identity of the samples to the samples and their indices
    :param makes: whether samples are made at all
    """

    buffer: RolloutBuffer
    own: Callable[..., Any] | None
    made: dict[int, tuple[Any, np.ndarray]]
    makes: bool

    def __call__(self, batch_inds: np.ndarray, *args: Any, **kwargs: Any) -> Any:
        samples = get_samples(self.buffer, batch_inds, *args, **kwargs) if self.makes else None
        self.made[id(samples)] = samples, batch_inds
        return samples

    def put_back(self) -> None:
        """End the epoch."""
        if vars(self.buffer).get("_get_samples") is not self:
            return
        del vars(self.buffer)["_get_samples"]  # the method of the class again
        if self.own is not None:
            self.buffer._get_samples = self.own


def _own_method(buffer: RolloutBuffer, name: str) -> Callable[..., Any] | None:
    """What a buffer has in place of a method of its class. An error that is kept, as in a notebook, ends no epoch."""
    own = vars(buffer).get(name)
    return own.own if isinstance(own, _Remembering) else own


def draw_minibatches(buffer: RolloutBuffer, batch_size: int, rollout: Any = None) -> Iterator[Draw]:
    """One epoch of ``buffer.get(batch_size)``, each minibatch with its indices into the flattened rollout.

    SB3's samples carry no index, but its buffers all make them in ``_get_samples(batch_inds, ...)``.

    :param buffer: full
    :param batch_size: number of samples in a minibatch; the last one may be smaller
    :param rollout: the result of :func:`whole_rollout`; the buffer then makes no samples
    """
    if not has_indices(buffer):
        yield from (Draw(None, samples) for samples in buffer.get(batch_size))
        return
    # By identity: a buffer of a user's class may leave some out, or change their order.
    made: dict[int, tuple[Any, np.ndarray]] = {}
    remembering = _Remembering(buffer, _own_method(buffer, "_get_samples"), made, rollout is None)
    buffer._get_samples = remembering  # type: ignore[method-assign]
    try:
        for samples in buffer.get(batch_size):
            _, indices = made.pop(id(samples), (None, None))
            yield Draw(indices, samples)
    finally:
        remembering.put_back()


def check_indices(draw: Draw, buffer: RolloutBuffer) -> None:
    """Refuse a minibatch whose samples of the rollout are not known.

    :param draw: the minibatch
    :param buffer: that it comes from
    :raises ValueError: naming the class of the buffer
    """
    if draw.indices is None:
        raise ValueError(
            f"rollout_buffer_class={type(buffer).__name__}: its get yields minibatches that _get_samples did not make, "
            "so the exact KL and features do not know their samples; let get yield what self._get_samples(indices) "
            "returns"
        )


def get_samples(buffer: RolloutBuffer, indices: Any, *arguments: Any, **keywords: Any) -> Any:
    """Some samples, in the middle of an epoch too: :func:`draw_minibatches` does not take them for a minibatch.

    :param buffer: full and flattened
    :param indices: into the flattened rollout
    :param arguments: what this buffer's ``_get_samples`` takes besides the indices
    :param keywords: the same, by name
    """
    method = _own_method(buffer, "_get_samples") or partial(type(buffer)._get_samples, buffer)
    return method(indices, *arguments, **keywords)


def select_rows(samples: Any, indices: Any) -> Any:
    """Some rows of a buffer's samples.

    :param samples: a named tuple of tensors and dictionaries of tensors
    :param indices: integers of shape ``(batch,)``
    """
    chosen = th.as_tensor(indices, device=samples.advantages.device)

    def of(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: of(value) for key, value in part.items()}
        return part.index_select(0, chosen)  # images by the row; `part[chosen]` copies them byte by byte

    return type(samples)(*map(of, samples))


def has_indices(buffer: RolloutBuffer) -> bool:
    """Whether the indices of a minibatch can be known.

    :param buffer: of any class
    """
    return hasattr(buffer, "_get_samples")


def whole_rollout(buffer: RolloutBuffer) -> Any:
    """The whole rollout in storage order on the device, as one of the buffer's minibatches.

    On a CPU observations and actions are the buffer's own memory, without a copy.

    :param buffer: full
    :return: ``None`` for a buffer of a user's class, whose minibatches may be more than rows of the rollout, and for a
        rollout that is too large for the device; its minibatches then move there one by one, as in SB3
    """
    if not all(_is_stock(buffer, name) for name in ("get", "_get_samples", "to_torch")):
        return None
    if _number_of_bytes(buffer) > _room(buffer.device):
        return None
    flatten(buffer)
    buffer.to_torch = partial(buffer.to_torch, copy=False)  # type: ignore[method-assign]
    try:
        return get_samples(buffer, slice(None))
    finally:
        vars(buffer).pop("to_torch")  # the method of the class again


def _is_stock(buffer: RolloutBuffer, name: str) -> bool:
    module = str(getattr(getattr(type(buffer), name, None), "__module__", None))
    return _own_method(buffer, name) is None and module.split(".")[0] in STOCK_PACKAGES


def _number_of_bytes(buffer: RolloutBuffer) -> int:
    kept = vars(buffer).values()
    parts = [part for value in kept for part in (value.values() if isinstance(value, dict) else [value])]
    return sum(part.nbytes for part in parts if isinstance(part, np.ndarray))


def _room(device: th.device | str) -> float:
    """How many bytes of a rollout a device takes: as many as there are on a CPU, an eighth of the memory of a GPU."""
    device = th.device(device)
    if device.type == "cpu":
        return math.inf
    return th.cuda.get_device_properties(device).total_memory / 8 if device.type == "cuda" else 0.0


def flatten(buffer: RolloutBuffer, batch_size: int = 1) -> None:
    """Let the buffer flatten its arrays, which it does at the first call of ``get``, without ``get``'s random draw.

    :param buffer: full
    :param batch_size: number of samples that ``get`` can give; a buffer of a user's class may refuse some
    """
    if not buffer.generator_ready:
        state = np.random.get_state()
        next(iter(buffer.get(batch_size)))
        np.random.set_state(state)


def in_storage_order(buffer: RolloutBuffer, batch_size: int, *arguments: Any) -> Iterator[Any]:
    """The whole rollout in storage order, without a draw from numpy's global generator.

    :param buffer: full
    :param batch_size: number of samples in a chunk; the last one may be smaller
    :param arguments: what this buffer's ``_get_samples`` takes besides the indices
    :return: what the buffer's minibatches are
    """
    flatten(buffer, batch_size)
    size = buffer.buffer_size * buffer.n_envs
    for start in range(0, size, batch_size):
        yield get_samples(buffer, np.arange(start, min(start + batch_size, size)), *arguments)
