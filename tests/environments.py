"""Small environments of every kind of space, for tests."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

ACTION_SPACES: dict[str, spaces.Space[Any]] = {
    "box": spaces.Box(-1.0, 1.0, (3,), np.float32),
    "discrete": spaces.Discrete(4),
    "multidiscrete": spaces.MultiDiscrete([3, 2, 4]),
    "multibinary": spaces.MultiBinary(3),
}
OBSERVATION_SPACES: dict[str, spaces.Space[Any]] = {
    "vector": spaces.Box(-1.0, 1.0, (4,), np.float32),
    "image": spaces.Box(0, 255, (36, 36, 1), np.uint8),
    "dict": spaces.Dict({"a": spaces.Box(-1.0, 1.0, (2,), np.float32), "b": spaces.Discrete(3)}),
}


class SpacesEnv(gym.Env[Any, Any]):
    """Random observations; the reward favours large actions, so that there is something to learn.

    Episodes end after 7 steps, every second one by a time limit.
    """

    def __init__(self, observation: str = "vector", action: str = "box") -> None:
        self.observation_space = OBSERVATION_SPACES[observation]
        self.action_space = ACTION_SPACES[action]
        self.episode = 0
        self.steps = 0

    def action_masks(self) -> np.ndarray:
        """Valid actions for MaskablePPO: one choice of one dimension is left out, another at every step."""
        space = self.action_space
        if isinstance(space, spaces.Discrete):
            sizes = [int(space.n)]
        elif isinstance(space, spaces.MultiDiscrete):
            sizes = [int(size) for size in space.nvec]
        else:
            assert isinstance(space, spaces.MultiBinary)
            sizes = [2] * int(np.prod(space.shape))
        masks = [np.ones(size, dtype=bool) for size in sizes]
        masks[self.steps % len(sizes)][self.steps % sizes[self.steps % len(sizes)]] = False
        return np.concatenate(masks)

    def _observe(self) -> Any:
        def draw(space: spaces.Space[Any]) -> Any:
            if isinstance(space, spaces.Dict):
                return {key: draw(part) for key, part in space.items()}
            if isinstance(space, spaces.Discrete):
                return self.np_random.integers(space.n)
            assert isinstance(space, spaces.Box)
            return self.np_random.uniform(space.low, space.high).astype(space.dtype)

        return draw(self.observation_space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode += 1
        self.steps = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        over = self.steps == 7
        reward = float(np.mean(action)) + 0.1 * float(self.np_random.normal())
        return self._observe(), reward, over and self.episode % 2 == 0, over and self.episode % 2 == 1, {}
