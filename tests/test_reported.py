"""Cases in the manner of bug reports: where the stock class trains, ours trains, bit for bit.

The issue that a test names is a public one in which somebody met its scenario.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from sb3_ppo_variants import KLPenaltyPPO, VariantPPO
from tests.environments import SpacesEnv
from tests.models import SMALL, logged, same_weights
from tests.test_parity import assert_same_leaves


def trained(cls: Any, env: Any, policy: Any = "MlpPolicy", steps: int = 96, **arguments: Any) -> Any:
    """A model after some updates, without a log: SB3's own refuses some of these episodes."""
    return cls(policy, env, **(SMALL | arguments)).learn(steps, log_interval=None)


def assert_trains_as_stock(make_env: Any, policy: Any = "MlpPolicy", steps: int = 96, **arguments: Any) -> None:
    stock = trained(PPO, make_env(), policy, steps, **arguments)
    ours = trained(VariantPPO, make_env(), policy, steps, **arguments)
    assert_same_leaves(ours.policy.state_dict(), stock.policy.state_dict())
    assert_same_leaves(ours.policy.optimizer.state_dict(), stock.policy.optimizer.state_dict())


class OwnEpisode(gym.Wrapper[Any, Any, Any, Any]):
    """Has an "episode" in its info that is not Monitor's."""

    episode: Any = None

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated, truncated, info | {"episode": self.episode}


@pytest.mark.parametrize("episode", [None, 1948, {"number": 3}, {}], ids=repr)
def test_an_episode_of_the_environments_own(episode: Any) -> None:
    """DLR-RM/stable-baselines3 #320: the environment counts its episodes under Monitor's key."""

    def make() -> gym.Env[Any, Any]:
        env = OwnEpisode(SpacesEnv())
        env.episode = episode
        return env

    assert_trains_as_stock(make)


def test_an_episode_of_the_environments_own_beside_monitors() -> None:
    """The bandit follows the returns that Monitor records where an episode ends, and nothing else."""
    env = OwnEpisode(gym.make("CartPole-v1"))
    env.episode = {"number": 3}
    bandit = {"rule": "bandit", "follow": "episode_return", "low": 1e-3, "high": 1.0}
    model = trained(VariantPPO, env, adapt={"clip_range": bandit})
    assert model.adaptive_state["clip_range"]["updates"] == 3.0
    assert model.adaptive_state["clip_range"]["measured"] > 5.0


class OneReward(SpacesEnv):
    """The reward comes at the end of an episode that is as long as the rollout."""

    def reset(self, **kwargs: Any) -> Any:
        super().reset(**kwargs)
        return np.zeros(4, dtype=np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return np.zeros(4, dtype=np.float32), float(self.steps == 32), self.steps == 32, False, {}


def test_constant_advantages() -> None:
    """hill-a/stable-baselines #723: nothing to tell the actions apart, so the advantages have no variance."""
    arguments: dict[str, Any] = {"gamma": 1.0, "gae_lambda": 1.0}
    with pytest.warns(UserWarning, match="all advantages of a rollout are .* in the update at 32 timesteps") as caught:
        assert_trains_as_stock(OneReward, **arguments)
    assert sum("all advantages" in str(warning.message) for warning in caught) == 1


class OneStep(gym.Env[Any, Any]):
    """One step, one observation; the second action is right."""

    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.ones(1, dtype=np.float32), {}

    def step(self, action: Any) -> Any:
        return np.ones(1, dtype=np.float32), float(action == 1), True, False, {}


def test_a_solved_task_goes_on_to_its_budget() -> None:
    """Once it is solved every reward is the same, and so is every advantage."""
    with pytest.warns(UserWarning, match="all advantages of a rollout"):
        assert_trains_as_stock(OneStep, steps=640, learning_rate=0.05)


class Missing(SpacesEnv):
    """A sensor fails now and then."""

    def _observe(self) -> Any:
        observation = super()._observe()
        if self.steps % 3 == 1:
            observation[1] = np.nan
        return observation


class Filling(BaseFeaturesExtractor):
    """Zeros for what is missing."""

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        super().__init__(observation_space, features_dim=4)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        return observations.nan_to_num(0.0)


def test_observations_that_are_missing() -> None:
    """Grid2op/grid2op #389: NaN in observations. A policy that handles them trains; another one fails, by name."""
    assert_trains_as_stock(Missing, policy_kwargs={"features_extractor_class": Filling})
    with pytest.raises(FloatingPointError, match="observation: nan in environment 0, with which the policy fails"):
        trained(VariantPPO, Missing())


class Interrupt(BaseCallback):
    """Ctrl-C in the middle of the third update."""

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if self.num_timesteps == 96:
            self.steps = 0
            optimizer: Any = self.model.policy.optimizer
            self.step, optimizer.step = optimizer.step, self._interrupted

    def _interrupted(self, closure: Any = None) -> None:
        self.steps += 1
        if self.steps == 3:
            raise KeyboardInterrupt
        self.step(closure)


@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_save_after_ctrl_c(compile: bool, tmp_path: Path) -> None:
    """edbeeching/godot_rl_agents #150: training is stopped by Ctrl-C and the model is saved."""
    arguments: dict[str, Any] = {"objective": ["clip", "kl_penalty"], "compile": compile}
    before = trained(VariantPPO, SpacesEnv(), steps=64, **arguments)
    model = VariantPPO("MlpPolicy", SpacesEnv(), **(SMALL | arguments))
    if compile:
        model.train = interrupted_train(model, model.train)  # type: ignore[method-assign]
        callback = None
    else:
        callback = Interrupt()
    with pytest.raises(KeyboardInterrupt):
        model.learn(96, callback=callback, log_interval=None)
    vars(model.policy.optimizer).pop("step", None)
    vars(model).pop("train", None)
    model.save(tmp_path / "model.zip")
    loaded = VariantPPO.load(tmp_path / "model.zip")
    assert_same_leaves(loaded.policy.state_dict(), before.policy.state_dict())
    assert_same_leaves(loaded.policy.optimizer.state_dict(), before.policy.optimizer.state_dict())
    assert loaded._n_updates == before._n_updates == 4


def interrupted_train(model: VariantPPO, train: Any) -> Any:
    """The third update is interrupted when its first epoch is checked."""
    epochs = [0]

    def count(*arguments: Any) -> Any:
        epochs[0] += 1
        if epochs[0] == 5:
            raise KeyboardInterrupt
        return original(*arguments)

    original = model._stop_after_epoch
    vars(model)["_stop_after_epoch"] = count

    def train_and_tidy() -> None:
        try:
            train()
        except KeyboardInterrupt:
            vars(model).pop("_stop_after_epoch")
            raise

    return train_and_tidy


def test_frozen_features() -> None:
    """DLR-RM/stable-baselines3 #409: parameters that are not to be trained, `requires_grad` off."""

    def model(cls: Any) -> Any:
        made = cls("MlpPolicy", SpacesEnv(), **SMALL)
        made.policy.mlp_extractor.policy_net.requires_grad_(False)
        return made.learn(96)

    assert same_weights(model(VariantPPO), model(PPO))


@pytest.mark.parametrize("steps", [33, 17])
def test_one_sample_is_left(steps: int) -> None:
    """DLR-RM/stable-baselines3 #325: the last minibatch has one sample, which has no standard deviation."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You have specified a mini-batch size")
        assert_trains_as_stock(SpacesEnv, steps=3 * steps, n_steps=steps)


def test_an_entropy_coefficient_that_decays() -> None:
    """DLR-RM/stable-baselines3 #316, #2111: a schedule in place of the number that PPO takes."""
    model = VariantPPO("MlpPolicy", SpacesEnv(), ent_coef="lin_0.1", **SMALL).learn(64)
    assert logged(model)["train/ent_coef"] == pytest.approx(0.0)
    first = VariantPPO("MlpPolicy", SpacesEnv(), ent_coef="lin_0.1", **SMALL)
    first.learn(64, callback=lambda variables, _: variables["self"].num_timesteps < 33)
    assert logged(first)["train/ent_coef"] == pytest.approx(0.05)


def test_a_learning_rate_that_follows_the_kl() -> None:
    """DLR-RM/stable-baselines3 #856: a learning rate that adapts to the KL."""
    band = {"rule": "band", "follow": "kl", "target": 1e-9, "low": 1e-6, "high": 1e-2}
    model = trained(VariantPPO, SpacesEnv(), adapt={"learning_rate": band})
    # Halved after each update, from 3e-4; the third used the second half.
    assert model.policy.optimizer.param_groups[0]["lr"] == pytest.approx(7.5e-5)


def test_a_learned_learning_rate_after_a_load(tmp_path: Path) -> None:
    """leggedrobotics/rsl_rl #221: the rate that follows the KL began anew when a saved model was trained on."""
    band = {"rule": "band", "follow": "kl", "target": 1e-9, "low": 1e-6, "high": 1e-2}
    trained(VariantPPO, SpacesEnv(), adapt={"learning_rate": band}).save(tmp_path / "model")
    loaded = VariantPPO.load(tmp_path / "model", env=SpacesEnv()).learn(32, log_interval=None)
    # The fourth update uses the third half of 3e-4.
    assert loaded.policy.optimizer.param_groups[0]["lr"] == pytest.approx(3.75e-5)


def test_a_target_that_cannot_be_reached() -> None:
    """ray-project/ray #18492: the coefficient of the KL penalty was doubled until it was infinite."""
    model = KLPenaltyPPO("MlpPolicy", SpacesEnv(), desired_kl=1e-12, kl_coef_bounds=(0.1, 4.0), **SMALL).learn(160)
    # 1, 2, 4, and no more.
    assert logged(model)["train/kl_coef"] == 4.0
    assert all(weights.isfinite().all() for weights in model.policy.state_dict().values())


def test_training_goes_on_after_a_load(tmp_path: Path) -> None:
    """DLR-RM/stable-baselines3 #1277: a loaded model counts on with `reset_num_timesteps=False`, as stock does."""

    def trained_on(cls: Any) -> Any:
        trained(cls, SpacesEnv(), learning_rate=lambda remaining: 1e-3 * remaining).save(tmp_path / cls.__name__)
        loaded = cls.load(tmp_path / cls.__name__, env=SpacesEnv())
        return loaded.learn(96, reset_num_timesteps=False, log_interval=None)

    ours, stock = trained_on(VariantPPO), trained_on(PPO)
    assert ours.num_timesteps == stock.num_timesteps == 192
    assert_same_leaves(ours.policy.state_dict(), stock.policy.state_dict())
    assert_same_leaves(ours.policy.optimizer.state_dict(), stock.policy.optimizer.state_dict())


class FreshDistribution(ActorCriticPolicy):
    """Makes its distribution anew at each call, as a policy with several heads may."""

    def _get_action_dist_from_latent(self, latent_pi: th.Tensor) -> Any:
        return CategoricalDistribution(int(self.action_space.n)).proba_distribution(  # type: ignore[attr-defined]
            action_logits=self.action_net(latent_pi)
        )


@pytest.mark.parametrize("used_before", [False, True])
def test_a_policy_that_makes_its_own_distributions(used_before: bool) -> None:
    """The exact KL is that of the distribution in use, not of the one that the policy was given and left alone."""

    def model(policy: Any) -> Any:
        made = KLPenaltyPPO(policy, SpacesEnv(action="discrete"), kl_coef=3.0, learning_rate=0.01, **SMALL)
        if used_before:
            made.policy.action_dist.proba_distribution(th.zeros(1, 4))
        return made.learn(96)

    fresh, usual = model(FreshDistribution), model("MlpPolicy")
    # The distribution is computed a second time, so that gradients are summed in another order.
    for mine, theirs in zip(fresh.policy.parameters(), usual.policy.parameters(), strict=True):
        assert th.allclose(mine, theirs, atol=1e-3)
    penalty = logged(usual)["train/kl_penalty"]
    assert penalty > 1e-5
    assert logged(fresh)["train/kl_penalty"] == pytest.approx(penalty, rel=0.01)
