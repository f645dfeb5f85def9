"""Action masks with an LSTM policy: the door to open was shown at the start, and doors open at the end only."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.env_util import make_vec_env

from sb3_ppo_variants import MaskableRecurrentVariantPPO
from sb3_ppo_variants.maskable_lstm import evaluate_policy

STEPS = 20_000
DOORS, LENGTH = 3, 6
WAIT = DOORS  # the action after the doors


class Corridor(gym.Env[np.ndarray, np.int64]):
    """The reward is 1 for the right door; a random one gives 1/3 on average."""

    observation_space = gym.spaces.Box(0.0, 1.0, (DOORS,), np.float32)
    action_space = gym.spaces.Discrete(DOORS + 1)

    def action_masks(self) -> np.ndarray:
        """Wait until the last step, then open a door."""
        waiting = self.steps < LENGTH - 1
        return np.array([(action == WAIT) == waiting for action in range(DOORS + 1)])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Show the right door."""
        super().reset(seed=seed)
        self.steps, self.door = 0, int(self.np_random.integers(DOORS))
        return np.eye(DOORS, dtype=np.float32)[self.door], {}

    def step(self, action: np.int64) -> Any:
        """Show nothing any more."""
        self.steps += 1
        return np.zeros(DOORS, np.float32), float(action == self.door), self.steps == LENGTH, False, {}


def main() -> MaskableRecurrentVariantPPO:
    """Train, and print the mean return with masks and hidden states."""
    env = make_vec_env(Corridor, n_envs=8, seed=0)
    model = MaskableRecurrentVariantPPO(
        "MlpLstmPolicy",
        env,
        n_steps=60,
        batch_size=240,
        learning_rate=3e-3,
        policy_kwargs={"lstm_hidden_size": 32},
        seed=0,
    )
    model.learn(STEPS)
    mean, _ = evaluate_policy(model, env, n_eval_episodes=60)
    print(f"mean return {mean:.2f}")
    return model


if __name__ == "__main__":
    main()
