"""Tasks that need a memory: a pole whose velocities are hidden, and a corridor whose door was shown at the start.

`gymnasium.make("benchmarks.memory_tasks:Corridor-v0")` imports this module and finds them.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

DOORS, LENGTH = 6, 8
WALK = DOORS  # the action after the doors
POSITIONS = [0, 2]  # of the cart and of the pole, in CartPole's observation


class Corridor(gym.Env[np.ndarray, np.int64]):
    """The right door is shown at the start, and doors open at the end only.

    Each step but the last must walk on, the last must open a door; the masks say so, the observations do not. Whatever
    is not allowed ends the episode with nothing. The right door gives 1. Without a memory one door is as good as
    another, which gives 1/6. Without masks a random policy reaches the doors once in 7**7 = 823,543 episodes.
    """

    observation_space = gym.spaces.Box(0.0, 1.0, (DOORS,), np.float32)
    action_space = gym.spaces.Discrete(DOORS + 1)

    def __init__(self) -> None:
        self.steps, self.door = 0, 0

    def action_masks(self) -> np.ndarray:
        """Walk until the last step, then open a door, shape ``(7,)``."""
        at_the_doors = self.steps == LENGTH - 1
        return np.array([(action == WALK) != at_the_doors for action in range(DOORS + 1)])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Show the right door.

        :param seed: of the doors
        :param options: not used
        """
        super().reset(seed=seed)
        self.steps, self.door = 0, int(self.np_random.integers(DOORS))
        return np.eye(DOORS, dtype=np.float32)[self.door], {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Walk on or open a door; nothing is shown any more.

        :param action: a door, or 6 to walk on
        """
        allowed = bool(self.action_masks()[action])
        self.steps += 1
        over = not allowed or self.steps == LENGTH
        return np.zeros(DOORS, np.float32), float(allowed and action == self.door), over, False, {}


def cart_pole_without_velocities() -> gym.Env[Any, Any]:
    """CartPole-v1 whose observation is the position of the cart and the angle of the pole."""
    env = gym.make("CartPole-v1")
    whole = env.observation_space
    assert isinstance(whole, gym.spaces.Box)
    positions = gym.spaces.Box(whole.low[POSITIONS], whole.high[POSITIONS], dtype=np.float32)
    return gym.wrappers.TransformObservation(env, lambda observation: observation[POSITIONS], positions)


gym.register("Corridor-v0", f"{__name__}:Corridor")
gym.register("CartPoleWithoutVelocities-v1", f"{__name__}:cart_pole_without_velocities")
