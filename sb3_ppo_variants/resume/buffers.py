"""What a rollout buffer keeps from rollout to rollout."""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_ppo_variants.resume.modules import is_plain


def buffer_state(buffer: Any) -> dict[str, Any]:
    """The plain attributes of a buffer without the rollout itself: the running statistics of a user's class, say.

    :param buffer: of a model
    """
    return {
        name: value for name, value in vars(buffer).items() if is_plain(value) and not _is_of_rollout(buffer, value)
    }


def _is_of_rollout(buffer: Any, value: Any) -> bool:
    """Whether an array has a row for each step; a dictionary has them for each key of the observations."""
    if isinstance(value, dict):
        return any(_is_of_rollout(buffer, part) for part in value.values())
    rows = (buffer.buffer_size, buffer.buffer_size * buffer.n_envs)
    return isinstance(value, np.ndarray) and value.ndim > 0 and len(value) in rows
