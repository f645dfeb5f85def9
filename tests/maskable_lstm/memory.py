"""A task that needs masks and memory, and a policy that solves it, its weights set by hand."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants.maskable_lstm import MaskableRecurrentPPO


class Recall(gym.Env[np.ndarray, np.int64]):
    """The first of three observations is -1 or 1, in turn, the others are 0; the last action says which.

    Action 2 is not allowed and costs 1.
    """

    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = spaces.Discrete(3)

    def __init__(self) -> None:
        self.cue = 1
        self.steps = 0

    def action_masks(self) -> np.ndarray:
        return np.array([True, True, False])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.cue, self.steps = -self.cue, 0
        return np.array([self.cue], dtype=np.float32), {}

    def step(self, action: np.int64) -> Any:
        self.steps += 1
        right = int(self.steps == 3 and action == (self.cue + 1) // 2)
        reward = float(right - (action == 2))
        return np.zeros(1, dtype=np.float32), reward, self.steps == 3, False, {}


def recall(n_envs: int = 1) -> VecEnv:
    """In SB3's form, with its Monitor."""
    return make_vec_env(Recall, n_envs=n_envs, seed=0)


def solved(env: VecEnv | None = None) -> MaskableRecurrentPPO:
    """A model that remembers the cue and, unless it is masked, takes action 2."""
    model = MaskableRecurrentPPO(
        "MlpLstmPolicy",
        recall() if env is None else env,
        n_steps=12,
        batch_size=12,
        policy_kwargs={"lstm_hidden_size": 1, "net_arch": []},
        device="cpu",
    )
    lstm, action_net = model.policy.lstm_actor, model.policy.action_net
    gates = {
        lstm.weight_ih_l0: [[0.0], [0.0], [20.0], [0.0]],  # the cell takes the sign of the observation
        lstm.weight_hh_l0: [[0.0]] * 4,
        lstm.bias_ih_l0: [20.0, 20.0, 0.0, 20.0],  # all gates open
        lstm.bias_hh_l0: [0.0] * 4,
        action_net.weight: [[-10.0], [10.0], [0.0]],
        action_net.bias: [0.0, 0.0, 100.0],
    }
    for parameter, values in gates.items():
        parameter.data = th.tensor(values)
    return model
