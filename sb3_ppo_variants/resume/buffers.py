"""What a rollout buffer of a user's class keeps from rollout to rollout."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th

from sb3_ppo_variants.resume.modules import is_plain

STOCK = ("stable_baselines3", "sb3_contrib", "sb3_ppo_variants")
# What the buffers of these have of their own; it is made anew for each rollout.
OF_STOCK = frozenset(
    {
        "buffer_size", "n_envs", "pos", "full", "generator_ready", "gamma", "gae_lambda", "obs_shape", "action_dim",
        "observations", "actions", "rewards", "advantages", "returns", "episode_starts", "values", "log_probs",
        "action_masks", "mask_dims", "masks_of_step", "has_masks", "hidden_state_shape", "hidden_states_pi",
        "cell_states_pi", "hidden_states_vf", "cell_states_vf", "seq_start_indices", "seq_end_indices",
    }
)  # fmt: skip
# Bytes; larger ones are columns of the rollout.
LARGE = 2**20


def buffer_state(buffer: Any) -> dict[str, Any]:
    """The plain attributes of a user's buffer without the rollout itself: running statistics, say.

    :param buffer: of a model
    """
    if type(buffer).__module__.split(".")[0] in STOCK:
        return {}
    own = {name: value for name, value in vars(buffer).items() if name not in OF_STOCK and is_plain(value)}
    return {name: value for name, value in own.items() if _size(value) <= LARGE}


def _size(value: Any) -> int:
    if isinstance(value, (np.ndarray, th.Tensor)):
        return int(value.nbytes)
    parts = value.values() if isinstance(value, dict) else () if isinstance(value, str) else value
    return sum(map(_size, parts)) if hasattr(parts, "__iter__") else 0
