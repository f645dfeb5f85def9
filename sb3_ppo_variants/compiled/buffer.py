"""How the steps of a rollout get into its buffer, and the advantages, in less time than SB3's buffers take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer, MaskableRolloutBuffer
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.utils import obs_as_tensor

from sb3_ppo_variants.compiled.unsupported import is_original

PLAIN = (RolloutBuffer, DictRolloutBuffer, MaskableRolloutBuffer, MaskableDictRolloutBuffer)
# The types of actions that policies return; a buffer may keep others.
ACTION_TYPES = ((spaces.Box, np.float32), (spaces.Discrete, np.int64), (spaces.MultiDiscrete, np.int64))


class Outputs(NamedTuple):
    """What a policy returns for a step."""

    actions: th.Tensor
    values: th.Tensor
    log_probs: th.Tensor


class Record:
    """Steps go into a buffer by its own ``add``.

    :param buffer: of any class, reset
    :param device: of the policy
    """

    def __init__(self, buffer: Any, device: th.device) -> None:
        self.add, self._device = buffer.add, device

    @property
    def outputs(self) -> Outputs | None:
        """Where native code writes what the policy returns at this step; ``None`` for tensors of its own."""
        return None

    def observe(self, observations: Any) -> Any:
        """Tensors of observations.

        :param observations: an array or a dictionary of arrays
        """
        return obs_as_tensor(observations, self._device)

    def array(self, actions: th.Tensor) -> np.ndarray:
        """The numbers of the actions.

        :param actions: what the policy returned
        """
        return actions.cpu().numpy()


class DirectRecord:
    """A step is in the buffer's own memory from the start: the policy reads it there, and writes there.

    As :class:`Record`, for SB3's buffers on a CPU.

    :param buffer: reset
    :param observations: before the first step
    """

    def __init__(self, buffer: Any, observations: Any) -> None:
        self._buffer: Any = buffer
        self._find(observations)

    def _find(self, observations: Any) -> None:
        """Find the memory of the steps, which is another one after a callback has reset the buffer."""
        buffer = self._buffer
        self._found_in = buffer.observations
        shape = (buffer.buffer_size, buffer.n_envs)
        actions = buffer.actions.reshape(*shape, *buffer.action_space.shape)
        columns = [_tensors(array) for array in (actions, buffer.values.reshape(*shape, 1), buffer.log_probs)]
        self._actions, self._outputs = list(actions), [Outputs(*step) for step in zip(*columns, strict=True)]
        self._observations, self._tensors = _rows(buffer.observations, observations)

    @property
    def outputs(self) -> Outputs:
        """As in :class:`Record`."""
        outputs: Outputs = self._outputs[self._buffer.pos]
        return outputs

    def observe(self, observations: Any) -> Any:
        """As in :class:`Record`."""
        if self._buffer.observations is not self._found_in:
            self._find(observations)
        position = self._buffer.pos
        _write(self._observations[position], observations)
        return self._tensors[position]

    def array(self, actions: th.Tensor) -> np.ndarray:
        """As in :class:`Record`."""
        position = self._buffer.pos
        # A copy, because an environment may keep it and write into it later.
        return self._actions[position].copy() if actions is self._outputs[position].actions else actions.numpy()

    def add(
        self,
        obs: Any,
        action: np.ndarray,
        reward: np.ndarray,
        episode_start: np.ndarray,
        value: th.Tensor,
        log_prob: th.Tensor,
        action_masks: np.ndarray | None = None,
    ) -> None:
        """What the buffer's ``add`` does with the same arguments.

        :param obs: a callback may have put others in their place
        :param action: of the step, and so are the others
        :param reward: shape ``(n_envs,)``
        :param episode_start: shape ``(n_envs,)``
        :param value: shape ``(n_envs, 1)``
        :param log_prob: shape ``(n_envs,)``
        :param action_masks: of MaskablePPO
        """
        buffer, position = self._buffer, self._buffer.pos
        if buffer.observations is not self._found_in:
            self._find(obs)
        outputs = self._outputs[position]
        _write(self._observations[position], obs)
        self._actions[position][...] = action.reshape(self._actions[position].shape)
        if value is not outputs.values:  # eager code acted
            outputs.values.copy_(value.reshape(outputs.values.shape))
            outputs.log_probs.copy_(log_prob.reshape(outputs.log_probs.shape))
        buffer.rewards[position] = reward
        buffer.episode_starts[position] = episode_start
        if action_masks is not None:
            buffer.action_masks[position] = action_masks.reshape(buffer.action_masks.shape[1:])
        buffer.pos = position + 1
        buffer.full = buffer.pos == buffer.buffer_size


def record(buffer: Any, observations: Any, device: th.device) -> Record | DirectRecord:
    """The faster way that a buffer allows.

    :param buffer: reset
    :param observations: before the first step
    :param device: of the policy
    """
    if device.type != "cpu" or not _is_plain(buffer, "add"):
        return Record(buffer, device)
    types = [kind for space, kind in ACTION_TYPES if isinstance(buffer.action_space, space)]
    pairs = _pairs(buffer.observations, observations)
    alike = all(isinstance(given, np.ndarray) and kept.dtype == given.dtype for kept, given in pairs)
    return DirectRecord(buffer, observations) if alike and buffer.actions.dtype in types else Record(buffer, device)


def _is_plain(buffer: Any, method: str) -> bool:
    """Whether a method is that of SB3's or sb3-contrib's buffers."""
    function = getattr(type(buffer), method)
    known = [getattr(cls, method) for cls in PLAIN]
    return function in known and is_original(function) and method not in vars(buffer)


def _pairs(kept: Any, given: Any) -> list[tuple[np.ndarray, Any]]:
    """The arrays of a buffer's observations, each with that of a step."""
    return [(array, given[key]) for key, array in kept.items()] if isinstance(kept, dict) else [(kept, given)]


def _rows(kept: Any, given: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """The memory of each step's observations, as arrays and as tensors, in the shape that the environments give."""
    if not isinstance(kept, dict):
        array = kept.reshape(len(kept), *given.shape)
        return list(array), _tensors(array)
    columns = [_rows(array, given[key]) for key, array in kept.items()]
    arrays, tensors = (
        [dict(zip(kept, step, strict=True)) for step in zip(*part, strict=True)] for part in zip(*columns, strict=True)
    )
    return arrays, tensors


def _tensors(array: np.ndarray) -> tuple[th.Tensor, ...]:
    return th.from_numpy(array).unbind()


def _write(rows: Any, observations: Any) -> None:
    if isinstance(rows, dict):
        for key, row in rows.items():
            row[...] = observations[key]
    else:
        rows[...] = observations


def compute_returns_and_advantage(buffer: Any, last_values: th.Tensor, dones: np.ndarray) -> None:
    """Generalised advantage estimation, bit for bit as in SB3.

    Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", 2016, equation 16.

    :param buffer: full; a user's own class keeps its method
    :param last_values: of the observations after the last step, shape ``(n_envs, 1)``
    :param dones: of the last step, shape ``(n_envs,)``
    """
    if not _is_plain(buffer, "compute_returns_and_advantage"):
        buffer.compute_returns_and_advantage(last_values=last_values, dones=dones)
        return
    goes_on = 1.0 - np.concatenate([buffer.episode_starts[1:], dones.astype(np.float32)[None]])
    next_values = np.concatenate([buffer.values[1:], last_values.cpu().numpy().reshape(1, -1)])
    deltas = buffer.rewards + buffer.gamma * next_values * goes_on - buffer.values
    decays = buffer.gamma * buffer.gae_lambda * goes_on
    advantage = np.zeros_like(deltas[0])
    for delta, decay, row in zip(deltas[::-1], decays[::-1], buffer.advantages[::-1], strict=True):
        advantage = delta + decay * advantage
        row[...] = advantage
    buffer.returns = buffer.advantages + buffer.values
