"""What SB3's rollout buffers do, in less time: a step is written without copies of it, advantages by whole arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer, MaskableRolloutBuffer
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer

PLAIN = (RolloutBuffer, DictRolloutBuffer, MaskableRolloutBuffer, MaskableDictRolloutBuffer)


def as_array(tensor: th.Tensor) -> np.ndarray:
    """The numbers of a tensor, without a copy on a CPU.

    :param tensor: without a gradient, on any device
    """
    return tensor.numpy() if tensor.is_cpu else tensor.cpu().numpy()


def writer(buffer: Any) -> Callable[..., None]:
    """What adds a step to a buffer, with the arguments of its ``add``.

    :param buffer: reset; one of a user's own class keeps its ``add``
    """
    if not _is_plain(buffer, "add"):
        add: Callable[..., None] = buffer.add
        return add
    observations, actions, values, log_probs = buffer.observations, buffer.actions, buffer.values, buffer.log_probs
    rewards, episode_starts, size = buffer.rewards, buffer.episode_starts, buffer.buffer_size
    shapes = _shapes(observations)

    def write(
        obs: Any,
        action: np.ndarray,
        reward: np.ndarray,
        episode_start: np.ndarray,
        value: th.Tensor,
        log_prob: th.Tensor,
        action_masks: np.ndarray | None = None,
    ) -> None:
        position = buffer.pos
        if isinstance(shapes, dict):
            for key, shape in shapes.items():
                observations[key][position] = obs[key].reshape(shape)
        else:
            observations[position] = obs.reshape(shapes)
        actions[position] = action.reshape(actions.shape[1:])
        rewards[position] = reward
        episode_starts[position] = episode_start
        values[position] = as_array(value).ravel()
        log_probs[position] = as_array(log_prob)
        if action_masks is not None:
            buffer.action_masks[position] = action_masks.reshape(buffer.action_masks.shape[1:])
        buffer.pos = position + 1
        buffer.full = buffer.pos == size

    return write


def _shapes(observations: Any) -> Any:
    """The shape of a step's observations, or those of a dictionary."""
    if isinstance(observations, dict):
        return {key: array.shape[1:] for key, array in observations.items()}
    return observations.shape[1:]


def _is_plain(buffer: Any, method: str) -> bool:
    """Whether a method is that of SB3's or sb3-contrib's buffers."""
    known = [getattr(cls, method) for cls in PLAIN]
    return getattr(type(buffer), method) in known and method not in vars(buffer)


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
    next_values = np.concatenate([buffer.values[1:], as_array(last_values).reshape(1, -1)])
    deltas = buffer.rewards + buffer.gamma * next_values * goes_on - buffer.values
    decays = buffer.gamma * buffer.gae_lambda * goes_on
    advantage = np.zeros_like(deltas[0])
    for delta, decay, row in zip(deltas[::-1], decays[::-1], buffer.advantages[::-1], strict=True):
        advantage = delta + decay * advantage
        row[...] = advantage
    buffer.returns = buffer.advantages + buffer.values
