"""Where stock trains, ours trains the same: classes, buffers, schedules and loggers of a user's own."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.vec_env import DummyVecEnv
from torch.distributions import Normal

from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.kl import distributions_of
from tests.models import BAND, SMALL, same_weights


class Wide(Normal):
    """A distribution whose constructor takes nothing else."""

    def __init__(self, loc: th.Tensor, scale: th.Tensor) -> None:
        super().__init__(loc, 2 * scale)


class WideDistribution(DiagGaussianDistribution):
    """Makes them, and looks at what it has made."""

    def proba_distribution(self, mean_actions: th.Tensor, log_std: th.Tensor) -> WideDistribution:
        self.distribution = Wide(mean_actions, th.ones_like(mean_actions) * log_std.exp())
        assert isinstance(self.distribution, Normal)
        assert issubclass(Wide, Normal)
        assert set(Normal.arg_constraints) == {"loc", "scale"}
        return self


class WidePolicy(ActorCriticPolicy):
    """With this distribution."""

    def _build(self, lr_schedule: Any) -> None:
        self.action_dist = WideDistribution(self.action_space.shape[0])  # type: ignore[index]
        super()._build(lr_schedule)


class PolicyOfItsOwn(BasePolicy):
    """No ``action_dist``, and a parameter of no numbers."""

    def __init__(self, observation_space: Any, action_space: Any, lr_schedule: Any, use_sde: bool = False) -> None:
        super().__init__(observation_space, action_space)
        inputs, outputs = observation_space.shape[0], action_space.shape[0]
        self.actor, self.critic = th.nn.Linear(inputs, outputs), th.nn.Linear(inputs, 1)
        self.log_std, self.empty = th.nn.Parameter(th.zeros(outputs)), th.nn.Parameter(th.zeros(0))
        self.optimizer = th.optim.Adam(self.parameters(), lr_schedule(1))

    def _of(self, obs: Any) -> Any:
        return Normal(self.actor(obs), self.log_std.exp())

    def forward(self, obs: Any, deterministic: bool = False) -> Any:
        actions = self._of(obs).sample()
        return actions, self.critic(obs), self._of(obs).log_prob(actions).sum(-1)

    def evaluate_actions(self, obs: Any, actions: th.Tensor) -> Any:
        distribution = self._of(obs)
        return self.critic(obs), distribution.log_prob(actions).sum(-1), distribution.entropy().sum(-1)

    def predict_values(self, obs: Any) -> Any:
        return self.critic(obs)

    def _predict(self, observation: Any, deterministic: bool = False) -> Any:
        return self.actor(observation)


class ListingLogger:
    """A logger that is not SB3's."""

    dir = None

    def __init__(self) -> None:
        self.keys: set[str] = set()

    def record(self, key: str, value: Any, exclude: Any = None) -> None:
        self.keys.add(key)

    def dump(self, step: int = 0) -> None:
        """Nothing."""


@pytest.mark.parametrize("policy", [WidePolicy, PolicyOfItsOwn])
def test_policies(policy: Any) -> None:
    stock, ours = (cls(policy, "Pendulum-v1", **SMALL).learn(64) for cls in (PPO, VariantPPO))
    assert same_weights(stock, ours)


def test_a_logger_that_is_not_of_sb3() -> None:
    model = VariantPPO("MlpPolicy", "CartPole-v1", **SMALL)
    model.set_logger(logger := ListingLogger())  # type: ignore[arg-type]
    model.learn(64)
    assert "train/clip_fraction" in logger.keys


class CopyingBuffer(RolloutBuffer):
    """``to_torch`` takes no further argument."""

    def to_torch(self, array: np.ndarray) -> th.Tensor:  # type: ignore[override]
        return th.as_tensor(np.array(array), device=self.device)


class BufferOfPairs(RolloutBuffer):
    """Minibatches of even sizes only."""

    def get(self, batch_size: int | None = None) -> Any:
        assert batch_size is None or batch_size % 2 == 0
        yield from super().get(batch_size)


class ReplacingBuffer(RolloutBuffer):
    """Yields other objects than ``_get_samples`` makes."""

    def get(self, batch_size: int | None = None) -> Any:
        for samples in super().get(batch_size):
            yield samples._replace(advantages=samples.advantages * 1)


def blind(buffer: RolloutBuffer) -> None:
    """Minibatches without observations, by a method of the object."""

    def get_samples(self: RolloutBuffer, indices: np.ndarray, env: Any = None) -> Any:
        samples = type(self)._get_samples(self, indices, env)
        return samples._replace(observations=samples.observations * 0)

    buffer._get_samples = types.MethodType(get_samples, buffer)  # type: ignore[method-assign]


def half(buffer: RolloutBuffer) -> None:
    """Half of the advantages, by another method of the object."""

    def get(self: RolloutBuffer, batch_size: int | None = None) -> Any:
        for samples in type(self).get(self, batch_size):
            yield samples._replace(advantages=samples.advantages / 2)

    buffer.get = types.MethodType(get, buffer)  # type: ignore[method-assign]


@pytest.mark.parametrize("change", [blind, half])
def test_methods_of_a_buffer_that_are_replaced(change: Callable[[RolloutBuffer], None]) -> None:
    def trained(cls: Any) -> Any:
        model = cls("MlpPolicy", "CartPole-v1", normalize_advantage=False, **SMALL)
        change(model.rollout_buffer)
        before = dict(vars(model.rollout_buffer))
        model.learn(64)
        assert all(
            vars(model.rollout_buffer)[name] is before[name] for name in ("get", "_get_samples") if name in before
        )
        return model

    stock, ours = trained(PPO), trained(VariantPPO)
    assert same_weights(stock, ours)


@pytest.mark.parametrize("buffer", [CopyingBuffer, BufferOfPairs, ReplacingBuffer])
def test_buffers(buffer: type[RolloutBuffer]) -> None:
    arguments: dict[str, Any] = {"rollout_buffer_class": buffer, **SMALL}
    stock = PPO("MlpPolicy", "CartPole-v1", **arguments).learn(64)
    assert same_weights(stock, VariantPPO("MlpPolicy", "CartPole-v1", log_kl=True, **arguments).learn(64))


@pytest.mark.parametrize("own", [{"recompute_advantages": True}, {"regularizers": "churn"}])
def test_parts_with_a_buffer_of_even_minibatches(own: Any) -> None:
    VariantPPO("MlpPolicy", "CartPole-v1", rollout_buffer_class=BufferOfPairs, **SMALL, **own).learn(64)


class WarmUp:
    """Grows with its calls."""

    def __init__(self, full: float) -> None:
        self.full, self.calls = full, 0

    def __call__(self, progress_remaining: float) -> float:
        self.calls += 1
        return self.full * min(1.0, self.calls / 20)


def test_a_schedule_that_counts_its_calls() -> None:
    def trained(cls: Any) -> tuple[PPO, list[int]]:
        schedules = {"learning_rate": WarmUp(3e-4), "clip_range": WarmUp(0.2), "clip_range_vf": WarmUp(0.2)}
        model = cls("MlpPolicy", "CartPole-v1", **schedules, **SMALL)
        for _ in range(3):
            model.learn(32, reset_num_timesteps=False)
        return model, [schedule.calls for schedule in schedules.values()]

    (stock, theirs), (ours, calls) = trained(PPO), trained(VariantPPO)
    # Once at the start and twice in an update, as SB3 logs it too; the others once in an update.
    assert theirs == calls == [7, 3, 3]
    assert same_weights(stock, ours)


class BetaLike:
    """A distribution of no known kind."""

    distribution = None


def test_what_needs_the_exact_kl_says_so_with_its_remedies() -> None:
    with pytest.raises(TypeError, match=r"for BetaLike\. A KL penalty can take .*desired_kl=None.*desired_clip_fract"):
        distributions_of(BetaLike())  # type: ignore[arg-type]


def test_a_rule_that_an_attribute_gives_is_checked_before_training() -> None:
    rule = {**BAND, "tighter": "down", "high": 1.0}
    model = VariantPPO("MlpPolicy", "CartPole-v1", **SMALL)
    model.adapt = {"ent_coef": rule}
    with pytest.raises(ValueError, match="ent_coef starts at 0"):
        model.learn(32)
    model.adapt = {"clip_range": {"rule": "bandit", "follow": "episode_return", "low": 0.1, "high": 0.3}}
    model.set_env(DummyVecEnv([lambda: gym.make("CartPole-v1")]))
    with pytest.raises(ValueError, match="wrap the environment in one"):
        model.learn(32)
    # And one that is gone is not.
    model = VariantPPO("MlpPolicy", "CartPole-v1", ent_coef=0.01, adapt={"ent_coef": rule}, **SMALL).learn(32)
    model.adapt, model.ent_coef = None, 0.0
    model.learn(32)


def test_an_adapted_coefficient_that_is_left_out_is_named() -> None:
    name = "negative_soft_clip_temperature"
    arguments: dict[str, Any] = {"objective": "soft_clip", name: 1.05, "adapt": {name: {**BAND, "high": 10.0}}}
    model = VariantPPO("MlpPolicy", "CartPole-v1", **SMALL, **arguments).learn(32)
    model.negative_soft_clip_temperature = None  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=f"{name} is None; give it a value"):
        model.learn(32)
