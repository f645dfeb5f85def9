"""Runs of every kind, each with a way to stop it and to say what it has become."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from gymnasium.utils import EzPickle
from sb3_contrib import TRPO, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecNormalize

from sb3_ppo_variants import (
    AdaptiveClipPPO,
    KLPenaltyPPO,
    MaskableAdaptiveClipPPO,
    MaskableRecurrentKLPenaltyPPO,
    RecurrentKLPenaltyPPO,
    RecurrentVariantPPO,
    ResumeCallback,
    VariantPPO,
    resume_model,
)
from sb3_ppo_variants.resume.generators import generator_states
from tests.environments import SpacesEnv

ROOT = Path(__file__).parents[2]
ROLLOUT = 64
TOTAL = 6 * ROLLOUT
STOP = 4 * ROLLOUT + 20
SMALL: dict[str, Any] = {"n_steps": 32, "seed": 0, "device": "cpu", "policy_kwargs": {"net_arch": [8]}}
PPO_SMALL: dict[str, Any] = {"batch_size": 16, "n_epochs": 2, **SMALL}
# A2C writes its optimiser into the dict that it is given.
A2C_SMALL: dict[str, Any] = {**SMALL, "policy_kwargs": {"net_arch": [8]}}


class Drawing(gym.Wrapper[Any, Any, Any, Any]):
    """Draws from the global generators and from its own sampler."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.action_space.seed(0)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        noise = random.random() + np.random.random() + float(th.rand(())) + float(self.action_space.sample())
        return observation, float(reward) + noise, terminated, truncated, info


class Rebuilt(EzPickle, SpacesEnv):
    """Pickled by its constructor's arguments alone, as Gymnasium's MuJoCo environments are."""

    def __init__(self) -> None:
        EzPickle.__init__(self)
        SpacesEnv.__init__(self)


class Masked(SpacesEnv):
    def __init__(self) -> None:
        super().__init__(action="discrete")

    def action_masks(self) -> Any:
        return np.arange(4) != self.steps % 4


def pendulum() -> gym.Env[Any, Any]:
    return gym.make("Pendulum-v1", max_episode_steps=50)


def cartpoles(**kwargs: Any) -> VecEnv:
    return make_vec_env("CartPole-v1", n_envs=2, **kwargs)


def normalized(venv: VecEnv) -> VecEnv:
    return VecFrameStack(VecNormalize(venv, gamma=0.9), n_stack=2)


def falling(progress_remaining: float) -> float:
    return 1e-3 * progress_remaining


SCENARIOS: dict[str, Callable[[], OnPolicyAlgorithm]] = {
    "cartpole": lambda: PPO("MlpPolicy", cartpoles(wrapper_class=Drawing), learning_rate=falling, **PPO_SMALL),
    "normalized": lambda: PPO(
        "MlpPolicy", normalized(make_vec_env(pendulum, n_envs=2)), clip_range_vf=falling, **PPO_SMALL
    ),
    "gsde": lambda: PPO("MlpPolicy", make_vec_env(pendulum, n_envs=2), use_sde=True, **PPO_SMALL),
    "a2c_gsde": lambda: A2C(
        "MlpPolicy", make_vec_env(pendulum, n_envs=2), use_sde=True, sde_sample_freq=5, **A2C_SMALL
    ),
    "rebuilt": lambda: PPO("MlpPolicy", make_vec_env(Rebuilt, n_envs=2), **PPO_SMALL),
    "adaptive_clip": lambda: AdaptiveClipPPO(
        "MlpPolicy", cartpoles(), desired_kl=1e-9, clip_range="lin_0.2", **PPO_SMALL
    ),
    "kl_penalty": lambda: KLPenaltyPPO(
        "MlpPolicy", make_vec_env(lambda: SpacesEnv(action="multidiscrete"), n_envs=2), desired_kl=1e-9, **PPO_SMALL
    ),
    "recurrent": lambda: RecurrentPPO(
        "MlpLstmPolicy", cartpoles(), **{**PPO_SMALL, "policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 8}}
    ),
    "hooks_and_regularizers": lambda: VariantPPO(
        "MlpPolicy",
        make_vec_env(pendulum, n_envs=2),
        regularizers=["churn", "feature_drift"],
        adapt={"churn_coef": {"rule": "rescale", "follow": "churn_share", "target": 0.1, "low": 1e-3, "high": 1e9}},
        outer_step=1.2,
        outer_momentum=0.3,
        reset_adam_step=True,
        vf_learning_rate=falling,
        recompute_advantages=True,
        rpo_noise=0.1,
        **PPO_SMALL,
    ),
    "recurrent_hooks": lambda: RecurrentVariantPPO(
        "MlpLstmPolicy",
        make_vec_env(pendulum, n_envs=2),
        regularizers="churn",
        outer_momentum=0.3,
        recompute_advantages=True,
        **{**PPO_SMALL, "policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 8}},
    ),
    "maskable": lambda: MaskablePPO("MlpPolicy", make_vec_env(Masked, n_envs=2), **PPO_SMALL),
    "recurrent_kl_penalty": lambda: RecurrentKLPenaltyPPO(
        "MlpLstmPolicy",
        cartpoles(),
        desired_kl=1e-9,
        **{**PPO_SMALL, "policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 8}},
    ),
    "maskable_adaptive_clip": lambda: MaskableAdaptiveClipPPO(
        "MlpPolicy", make_vec_env(Masked, n_envs=2), desired_kl=1e-9, **PPO_SMALL
    ),
    "maskable_recurrent_kl_penalty": lambda: MaskableRecurrentKLPenaltyPPO(
        "MlpLstmPolicy",
        make_vec_env(Masked, n_envs=2),
        desired_kl=1e-9,
        **{**PPO_SMALL, "policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 8}},
    ),
    "trpo": lambda: TRPO("MlpPolicy", cartpoles(), batch_size=16, **SMALL),
    "dict": lambda: PPO(
        "MultiInputPolicy", make_vec_env(lambda: SpacesEnv("dict"), n_envs=2), stats_window_size=3, **PPO_SMALL
    ),
}


class Stop(BaseCallback):
    """Ends a run within a rollout, as a kill would."""

    def _on_step(self) -> bool:
        return self.num_timesteps < STOP


class Kept(KVWriter):
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        # Only of the wall clock, or of this call of `learn`.
        clock = {"time/fps", "time/time_elapsed", "time/iterations"}
        self.rows.append({key: value for key, value in key_values.items() if key not in clock})

    def close(self) -> None:
        pass


def keep_log(model: OnPolicyAlgorithm) -> list[dict[str, Any]]:
    kept = Kept()
    model.set_logger(Logger(folder=None, output_formats=[kept]))
    return kept.rows


def stop_all(folder: str) -> None:
    """Run in another process."""
    for name, build in SCENARIOS.items():
        build().learn(TOTAL, log_interval=1, callback=[Stop(), ResumeCallback(Path(folder) / name, every=1)])


def train_until_killed(path: str) -> None:
    """Run in another process; what a user would write."""
    model = resume_model(PPO, path) if Path(path).exists() else PPO("MlpPolicy", cartpoles(), **PPO_SMALL)
    model.learn(10**9 - model.num_timesteps, callback=ResumeCallback(path, every=1), reset_num_timesteps=False)


def start(function: Callable[[str], None], path: Path) -> subprocess.Popen[bytes]:
    code = f"import sys; from tests.resume.scenarios import {function.__name__} as run; run(sys.argv[1])"
    return subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT)


def finish(model: OnPolicyAlgorithm, total: int) -> OnPolicyAlgorithm:
    return model.learn(total - model.num_timesteps, log_interval=1, reset_num_timesteps=False)


def plain(value: Any) -> Any:
    """With arrays for tensors, for NumPy's comparison."""
    if isinstance(value, th.Tensor):
        return value.numpy()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def outcome(model: OnPolicyAlgorithm) -> dict[str, Any]:
    normalize = model.get_vec_normalize_env()
    statistics = {} if normalize is None else vars(normalize)
    state = {
        "weights": model.policy.state_dict(),
        "optimizer": model.policy.optimizer.state_dict(),
        "generators": generator_states(),
        "num_timesteps": model.num_timesteps,
        "n_updates": model._n_updates,
        "adaptive_state": getattr(model, "adaptive_state", None),
        "last_obs": model._last_obs,
        "hidden": getattr(model, "_last_lstm_states", None),
        "returns": statistics.get("returns"),
        "mean": statistics["obs_rms"].mean if normalize is not None else None,
        "episodes": [(episode["r"], episode["l"]) for episode in model.ep_info_buffer or ()],
    }
    return {name: plain(value) for name, value in state.items()}
