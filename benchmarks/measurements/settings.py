"""The settings of the measurements: environments with PPO's arguments.

This module needs Stable-Baselines3 only, so that an interpreter with another implementation can import it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import FloatSchedule, LinearSchedule
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv


class ImageEnv(gym.Env[np.ndarray, np.int64]):
    """Noise of the shape of four stacked Atari frames, made once: all time is spent in the algorithm."""

    observation_space = spaces.Box(0, 255, (84, 84, 4), np.uint8)
    action_space = spaces.Discrete(6)

    def __init__(self, episode: int = 200) -> None:
        self._frames = np.random.default_rng(0).integers(0, 256, (16, 84, 84, 4), np.uint8)
        self._episode, self._steps = episode, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """As in gymnasium.

        :param seed: of the environment's generator, which nothing draws from
        :param options: none
        """
        super().reset(seed=seed)
        self._steps = 0
        return self._frames[0], {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """As in gymnasium.

        :param action: without effect
        """
        self._steps += 1
        frame = self._frames[self._steps % len(self._frames)]
        return frame, 1.0, self._steps == self._episode, False, {}


@dataclass(frozen=True)
class Hyperparameters:
    """PPO's hyperparameters under neutral names, for libraries that name them differently.

    A schedule counts with its first value.

    :param n_steps: of a rollout in each environment
    :param batch_size: samples in a minibatch
    :param n_epochs: passes over a rollout
    :param learning_rate: of Adam, whose epsilon is SB3's 1e-5
    :param gamma: discount
    :param gae_lambda: of the advantages
    :param clip_range: of the ratio; the value is not clipped
    :param ent_coef: weight of the entropy
    :param vf_coef: weight of the mean squared error of the value
    :param max_grad_norm: norm to which the gradient is cut
    :param hidden: widths of the hidden layers, of policy and value each
    :param images: whether NatureCNN, shared by policy and value, comes before them
    """

    n_steps: int
    batch_size: int
    n_epochs: int
    learning_rate: float
    gamma: float
    gae_lambda: float
    clip_range: float
    ent_coef: float
    vf_coef: float
    max_grad_norm: float
    hidden: tuple[int, ...]
    images: bool


@dataclass(frozen=True)
class Setting:
    """A task and how PPO is applied to it.

    :param title: for the tables
    :param environment: id of gymnasium's, or a function that makes one
    :param n_envs: number of environments
    :param arguments: of PPO
    :param policy: of PPO
    :param iterations: rollouts or updates in one repetition
    :param seconds: of stock PPO's iteration, about, for the time left before anything is measured
    """

    title: str
    environment: str | Callable[[], gym.Env[Any, Any]]
    n_envs: int = 1
    arguments: dict[str, Any] = field(default_factory=dict)
    policy: str = "MlpPolicy"
    iterations: int = 1
    seconds: float = 0.2

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The arguments, with SB3's defaults for those that are not given."""
        stock = {name: parameter.default for name, parameter in inspect.signature(PPO).parameters.items()}
        given = stock | self.arguments
        given |= {name: FloatSchedule(given[name])(1.0) for name in ("learning_rate", "clip_range")}
        given["images"] = self.policy == "CnnPolicy"
        default = [] if given["images"] else [64, 64]
        given["hidden"] = tuple((given["policy_kwargs"] or {}).get("net_arch", default))
        return Hyperparameters(**{one.name: given[one.name] for one in fields(Hyperparameters)})

    @property
    def recurrent(self) -> bool:
        """Whether RecurrentPPO takes the place of PPO."""
        return self.policy == LSTM

    @property
    def steps(self) -> int:
        """Environment steps in an iteration."""
        return self.hyperparameters.n_steps * self.n_envs

    def env(self) -> gym.Env[Any, Any]:
        """One bare environment."""
        return gym.make(self.environment) if isinstance(self.environment, str) else self.environment()

    def vec_env(self, kind: str = "dummy") -> VecEnv:
        """The environments, seeded; each with ``Monitor`` or, in EnvPool, what does its work.

        :param kind: of the vector: ``dummy``, ``subprocess`` or ``envpool``
        """
        if kind == "envpool":
            # Not in the interpreter of another implementation.
            from sb3_ppo_variants.vec_env import EnvPoolVecEnv

            return EnvPoolVecEnv(str(self.environment), self.n_envs, seed=0)
        cls = SubprocVecEnv if kind == "subprocess" else DummyVecEnv
        return make_vec_env(self.environment, n_envs=self.n_envs, seed=0, vec_env_cls=cls)


def scaled(environment: str, n_envs: int, width: int = 64) -> Setting:
    """Rollouts of 2048 steps in all, large minibatches and few epochs, as rl_games has them for many environments.

    :param environment: id of gymnasium's
    :param n_envs: number of environments, a power of two
    :param width: of the two hidden layers
    """
    arguments = {
        "n_steps": 2048 // n_envs,
        "batch_size": 512,
        "n_epochs": 4,
        "policy_kwargs": {"net_arch": [width, width]},
    }
    title = f"{environment}, {n_envs} environments" + (f", 2x{width} network" if width != 64 else "")
    return Setting(title, environment, n_envs, arguments, iterations=2)


ZOO_CARTPOLE = {
    "n_steps": 32,
    "batch_size": 256,
    "n_epochs": 20,
    "gae_lambda": 0.8,
    "gamma": 0.98,
    "learning_rate": LinearSchedule(0.001, 0.0, 1.0),
    "clip_range": LinearSchedule(0.2, 0.0, 1.0),
}
WIDE = {"n_steps": 256, "batch_size": 256, "policy_kwargs": {"net_arch": [256, 256, 256]}}
IMAGES = {"n_steps": 16, "batch_size": 64, "n_epochs": 2}
LSTM = "MlpLstmPolicy"
LSTM_EIGHT = {"n_steps": 128, "batch_size": 256}
LSTM_ONE = {"n_steps": 2048, "batch_size": 128}

SETTINGS = {
    "A": Setting("HalfCheetah-v5, 1 environment, SB3's defaults", "HalfCheetah-v5", seconds=0.8),
    "B": Setting("CartPole-v1, RL Zoo's arguments", "CartPole-v1", 8, ZOO_CARTPOLE, iterations=8, seconds=0.04),
    "C": Setting("Pendulum-v1, 8 environments, 3x256 network", "Pendulum-v1", 8, WIDE, seconds=0.6),
    "D": Setting("84x84x4 images, 8 environments, NatureCNN", ImageEnv, 8, IMAGES, "CnnPolicy"),
    "E": scaled("CartPole-v1", 32),
    "F": scaled("CartPole-v1", 64),
    "G": scaled("HalfCheetah-v5", 32),
    "H": scaled("HalfCheetah-v5", 64),
    "I": Setting("CartPole-v1, LSTM, 8 environments", "CartPole-v1", 8, LSTM_EIGHT, LSTM, seconds=14.0),
    "J": Setting("CartPole-v1, LSTM, 1 environment", "CartPole-v1", 1, LSTM_ONE, LSTM, seconds=30.0),
}
# Every implementation is measured in the first four, kinds of vectors in the next, RecurrentPPO in the last.
LEADING = ("A", "B", "C", "D")


def setting(name: str) -> Setting:
    """A setting by its letter, or `environment,number,width` for a scaled one.

    :param name: of it
    """
    if name in SETTINGS:
        return SETTINGS[name]
    environment, n_envs, width = name.split(",")
    return scaled(environment, int(n_envs), int(width))
