"""Runs that train nothing, in an environment that costs nothing: what is left is the harness."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3 import PPO


class Nothing(gym.Env[Any, Any]):
    """An episode of one step that costs nothing."""

    observation_space = spaces.Box(-1.0, 1.0, (1,))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """End it."""
        return np.zeros(1, dtype=np.float32), 1.0, True, False, {}


class Untrained(PPO):
    """Leaves out the update."""

    def train(self) -> None:
        """Do nothing."""
        self.logger.record("train/loss", 0.0)


gym.register("Nothing-v0", entry_point="benchmarks.empty_runs:Nothing")
