"""Numbers that are not finite stop the training with their name, and the model is as it was before."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from sb3_ppo_variants import MaskableVariantPPO, Minibatch, RecurrentVariantPPO, VariantPPO
from tests.environments import SpacesEnv
from tests.models import SMALL, same_weights


class Spoilt(gym.Wrapper[Any, Any, Any, Any]):
    """From one step on, a reward or an observation is not finite."""

    def __init__(self, what: str, value: float, at: int, **spaces: str) -> None:
        super().__init__(SpacesEnv(**spaces))
        self.what, self.value, self.at = what, value, at
        self.taken = 0

    def action_masks(self) -> np.ndarray:
        masks: np.ndarray = self.unwrapped.action_masks()  # type: ignore[attr-defined]
        return masks

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = super().step(action)
        self.taken += 1
        if self.taken >= self.at:
            if self.what == "reward":
                reward = self.value
            elif isinstance(observation, dict):
                observation["a"][0] = self.value
            else:
                observation[0] = self.value
        return observation, reward, terminated, truncated, info


def weights(model: PPO) -> dict[str, th.Tensor]:
    state = {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}
    return state | {
        f"optimizer.{index}.{name}": value.clone()
        for index, entry in model.policy.optimizer.state_dict()["state"].items()
        for name, value in entry.items()
    }


def assert_unharmed(model: Any, before: dict[str, th.Tensor], epochs: int, tmp_path: Path) -> None:
    after = weights(model)
    assert before.keys() == after.keys()
    assert all(th.equal(before[name], after[name]) for name in before)
    assert model._n_updates == epochs
    model.save(tmp_path / "model.zip")
    assert same_weights(type(model).load(tmp_path / "model.zip"), model)


HOSTS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "plain": (VariantPPO, "MlpPolicy", {}),
    "masked": (MaskableVariantPPO, "MlpPolicy", {}),
    "recurrent": (RecurrentVariantPPO, "MlpLstmPolicy", {"policy_kwargs": {"lstm_hidden_size": 8}}),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_bad_reward(host: str, value: float, tmp_path: Path) -> None:
    cls, policy, own = HOSTS[host]
    env = Spoilt("reward", value, at=32 + 6, action="discrete")
    model = cls(policy, env, **(SMALL | own)).learn(32)
    before = weights(model)
    message = rf"rewards of the rollout: {value} at step 5 of environment 0; the update at 64 timesteps was not begun"
    with pytest.raises(FloatingPointError, match=message):
        model.learn(32, reset_num_timesteps=False)
    assert_unharmed(model, before, 2, tmp_path)


@pytest.mark.parametrize("observation", ["vector", "dict"])
def test_a_bad_observation(observation: str, tmp_path: Path) -> None:
    env = Spoilt("observation", float("nan"), at=32 + 6, observation=observation)
    model = VariantPPO("MultiInputPolicy" if observation == "dict" else "MlpPolicy", env, **SMALL).learn(32)
    before = weights(model)
    with pytest.raises(FloatingPointError, match=r"observation.*: nan in environment 0"):
        model.learn(32, reset_num_timesteps=False)
    assert_unharmed(model, before, 2, tmp_path)


class Blind(BaseFeaturesExtractor):
    """Sees zeros in place of what is not finite."""

    def __init__(self, observation_space: gym.Space[Any]) -> None:
        super().__init__(observation_space, features_dim=4)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        return observations.nan_to_num(0.0, 0.0, 0.0)


def test_an_error_of_the_environment_keeps_its_name() -> None:
    """Whatever the observation was: the policy has not failed."""

    class Broken(Spoilt):
        def step(self, action: Any) -> Any:
            if self.taken == 10:
                raise ValueError("out of fuel")
            return super().step(action)

    env = Broken("observation", float("nan"), at=5)
    with pytest.raises(ValueError, match="out of fuel"):
        VariantPPO("MlpPolicy", env, policy_kwargs={"features_extractor_class": Blind}, **SMALL).learn(32)


def spoil(when: int, how: str) -> Any:
    """A term that goes wrong in one minibatch."""
    calls = [0]

    def term(surrogate: th.Tensor, minibatch: Minibatch) -> th.Tensor:
        calls[0] += 1
        if calls[0] != when:
            return surrogate
        return surrogate * float("nan") if how == "nan" else surrogate + minibatch.log_ratio.abs().sqrt()

    return term


@pytest.mark.parametrize(
    ("how", "when", "message"),
    [
        # Three trials while the chain is built, then 2 minibatches in each epoch.
        ("nan", 3 + 2, r"the policy loss is not finite in epoch 0 of the update at 32 timesteps"),
        ("nan", 3 + 4, r"the policy loss is not finite in epoch 1"),
        ("infinite slope", 3 + 1, r"the gradient is not finite in epoch 0"),
    ],
)
def test_a_term_that_goes_wrong(how: str, when: int, message: str, tmp_path: Path) -> None:
    model: Any = VariantPPO("MlpPolicy", SpacesEnv(), objective=["clip", spoil(when, how)], **SMALL)
    before = weights(model)
    with pytest.raises(FloatingPointError, match=message):
        model.learn(32)
    assert weights(model).keys() == before.keys()
    assert all(th.equal(before[name], tensor) for name, tensor in weights(model).items())
    assert model._n_updates == 0
    assert not model.policy.training


def test_the_model_is_restored_as_often_as_it_must() -> None:
    """An update that fails, one that does not, and one that fails again."""

    def term(surrogate: th.Tensor, minibatch: Minibatch) -> th.Tensor:
        return surrogate * float("nan") if spoilt and minibatch.log_ratio.abs().sum() > 0 else surrogate

    spoilt: list[bool] = []
    model = VariantPPO("MlpPolicy", SpacesEnv(), objective=["clip", term], **SMALL).learn(32)
    for _ in range(2):
        before = weights(model)
        spoilt.append(True)
        with pytest.raises(FloatingPointError, match="policy loss"):
            model.train()
        assert all(th.equal(before[name], tensor) for name, tensor in weights(model).items())
        spoilt.clear()
        model.train()
        assert any(not th.equal(before[name], tensor) for name, tensor in weights(model).items())


def test_the_memory_of_the_copy_is_used_again() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), **SMALL).learn(64)
    kept = model._backup._copy[0]["action_net.weight"]
    model.learn(32)
    assert model._backup._copy[0]["action_net.weight"] is kept


def test_an_overflowing_log_ratio(tmp_path: Path) -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), **SMALL).learn(32)
    before = weights(model)
    model.collect_rollouts(model.env, _silent(model), model.rollout_buffer, 32)
    model.rollout_buffer.log_probs -= 200.0
    with pytest.raises(FloatingPointError, match="the ratio is not finite in epoch 0"):
        model.train()
    assert_unharmed(model, before, 2, tmp_path)


def _silent(model: PPO) -> Any:
    callback = CallbackList([])
    callback.init_callback(model)
    return callback


def test_a_diverging_policy(tmp_path: Path) -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), learning_rate=1e30, max_grad_norm=1e30, **SMALL)
    before = weights(model)
    with pytest.raises(FloatingPointError, match=r"the ratio is not finite in epoch 0 of the update at 32 timesteps"):
        model.learn(32)
    assert_unharmed(model, before, 0, tmp_path)


def test_advantages_that_are_all_zero() -> None:
    """They stay zero, and only the critic learns; no warning."""
    model = VariantPPO("MlpPolicy", SpacesEnv(), **SMALL).learn(32)
    model.collect_rollouts(model.env, _silent(model), model.rollout_buffer, 32)
    model.policy.optimizer = th.optim.SGD(model.policy.parameters(), lr=1e-3)  # without Adam's momentum
    before = weights(model)
    model.rollout_buffer.advantages[:] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.train()
    after = weights(model)
    assert th.equal(after["action_net.weight"], before["action_net.weight"])
    assert not th.equal(after["value_net.weight"], before["value_net.weight"])


@pytest.mark.parametrize("log_std", [89.0, float("inf")])
@pytest.mark.parametrize("use_expln", [False, True])
def test_what_the_last_step_leaves(log_std: float, use_expln: bool, tmp_path: Path) -> None:
    """No loss has seen it yet."""
    arguments = SMALL | {"n_epochs": 1, "batch_size": 32}
    if use_expln:
        arguments |= {"use_sde": True, "policy_kwargs": {"use_expln": True}}
    model = VariantPPO("MlpPolicy", SpacesEnv(), **arguments)
    before = weights(model)
    step = model.policy.optimizer.step

    def spoilt_step(closure: Any = None) -> None:
        step(closure)
        model.policy.log_std.data[1] = log_std

    model.policy.optimizer.step = spoilt_step
    name = "a parameter" if log_std == float("inf") else "the standard deviation of the actions"
    with pytest.raises(
        FloatingPointError, match=f"{name} is not finite after the update at 32 timesteps; the model is"
    ):
        model.learn(32)
    del model.policy.optimizer.step
    assert_unharmed(model, before, 0, tmp_path)
