"""What SB3's rollout buffers do, in less time: a step is written without copies of it, advantages by whole arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch as th
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer, MaskableRolloutBuffer
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer

PLAIN = (RolloutBuffer, DictRolloutBuffer, MaskableRolloutBuffer, MaskableDictRolloutBuffer)


def writer(buffer: Any) -> Callable[..., None]:
    """What adds a step to a buffer, with the arguments of its ``add``.

    :param buffer: a user's own class keeps its ``add``
    """
    return partial(_write, buffer) if _is_plain(buffer, "add") else buffer.add


def _is_plain(buffer: Any, method: str) -> bool:
    """Whether a method is that of SB3's or sb3-contrib's buffers."""
    known = [getattr(cls, method) for cls in PLAIN]
    return getattr(type(buffer), method) in known and method not in vars(buffer)


def _write(
    buffer: Any,
    obs: Any,
    action: np.ndarray,
    reward: np.ndarray,
    episode_start: np.ndarray,
    value: th.Tensor,
    log_prob: th.Tensor,
    action_masks: np.ndarray | None = None,
) -> None:
    position = buffer.pos
    if isinstance(obs, dict):
        rows = [(array[position], obs[key]) for key, array in buffer.observations.items()]
    else:
        rows = [(buffer.observations[position], obs)]
    rows += [(buffer.actions[position], action)]
    if action_masks is not None:
        rows += [(buffer.action_masks[position], action_masks)]
    for row, given in rows:
        row[...] = given.reshape(row.shape)
    buffer.rewards[position] = reward
    buffer.episode_starts[position] = episode_start
    buffer.values[position] = value.cpu().numpy().ravel()
    buffer.log_probs[position] = log_prob.cpu().numpy()
    buffer.pos += 1
    buffer.full = buffer.pos == buffer.buffer_size


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
