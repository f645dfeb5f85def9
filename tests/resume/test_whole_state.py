"""What is in no state dictionary goes on as well, or is named; a finished run stays as it is."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ppo_variants import ResumeCallback, VariantPPO, resume_model
from tests.environments import SpacesEnv
from tests.resume.scenarios import PPO_SMALL, ROLLOUT, keep_log, outcome

SMALL: dict[str, Any] = {"n_steps": 64, "batch_size": 32, "seed": 5, "device": "cpu"}


def script(total: int, path: Path) -> tuple[VariantPPO, list[dict[str, Any]]]:
    """What docs/resume.md says: the same lines start a run, continue it and find it finished."""
    if path.exists():
        model = resume_model(VariantPPO, path)
    else:
        model = VariantPPO("MlpPolicy", make_vec_env("CartPole-v1", 2, seed=1), **SMALL)
    rows = keep_log(model)
    callback = ResumeCallback(path, every=128)
    return model.learn(total - model.num_timesteps, callback=callback, reset_num_timesteps=False), rows


def test_a_finished_run_that_is_started_again_is_finished(tmp_path: Path) -> None:
    script(384, tmp_path / "once")
    whole, whole_rows = script(768, tmp_path / "once")
    for _ in range(3):
        script(384, tmp_path / "often")
    assert script(256, tmp_path / "often")[0].num_timesteps == 384  # less than was done already
    resumed, rows = script(768, tmp_path / "often")
    np.testing.assert_equal(outcome(resumed), outcome(whole))
    assert rows == whole_rows
    assert "train/loss" in rows[0]


class Dropping(BaseFeaturesExtractor):
    """Counts its calls, and drops with a probability that a callback lowers."""

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        super().__init__(observation_space, features_dim=4)
        self.dropout = th.nn.Dropout(0.5)
        self.calls = 0
        self.scale = th.ones(4)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        self.calls += 1
        dropped: th.Tensor = self.dropout(observations)
        return dropped * self.scale


def frozen_model() -> Any:
    settings = PPO_SMALL | {"policy_kwargs": {"net_arch": [8], "features_extractor_class": Dropping}}
    model: Any = PPO("MlpPolicy", DummyVecEnv([SpacesEnv]), **settings)
    model.policy.action_net.requires_grad_(False)
    model.policy.features_extractor.dropout.p = 0.1
    model.policy.features_extractor.scale = th.tensor([1.0, 2.0, 0.5, 0.1])
    return model


def test_frozen_parameters_and_plain_attributes(tmp_path: Path) -> None:
    whole = frozen_model().learn(4 * ROLLOUT)
    frozen_model().learn(2 * ROLLOUT, callback=ResumeCallback(tmp_path / "run"))
    resumed = resume_model(PPO, tmp_path / "run")
    assert not resumed.policy.action_net.weight.requires_grad
    assert resumed.policy.value_net.weight.requires_grad
    resumed.learn(2 * ROLLOUT, reset_num_timesteps=False)
    np.testing.assert_equal(outcome(resumed)["weights"], outcome(whole)["weights"])
    assert resumed.policy.features_extractor.calls == whole.policy.features_extractor.calls


@pytest.mark.parametrize("where", ["modules", "parameters"])
def test_hooks_are_named(where: str, tmp_path: Path) -> None:
    model: Any = PPO("MlpPolicy", SpacesEnv(), **PPO_SMALL)
    if where == "modules":
        model.policy.action_net.register_forward_hook(lambda *_: None)
    else:
        model.policy.action_net.weight.register_hook(lambda gradient: 0 * gradient)
    with pytest.warns(UserWarning, match=f"ResumeCallback: hooks of the policy's {where} are not saved; set"):
        model.learn(ROLLOUT, callback=ResumeCallback(tmp_path / "run"))


class SelfPlay(SpacesEnv):
    """Its reward depends on what the policy that is trained would do."""

    opponent: Any = None
    player: Any = None

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, *rest = super().step(action)
        answer = self.opponent(observation, deterministic=True)[0]
        return observation, reward - float(np.mean(answer)), *rest


def self_play() -> PPO:
    envs = [SelfPlay() for _ in range(2)]
    model = PPO("MlpPolicy", DummyVecEnv([lambda env=env: env for env in envs]), **PPO_SMALL)  # type: ignore[misc]
    for env in envs:
        env.opponent, env.player = model.policy.predict, model.policy.action_net
    return model


def test_an_environment_that_holds_the_policy(tmp_path: Path) -> None:
    whole = self_play().learn(4 * ROLLOUT)
    self_play().learn(2 * ROLLOUT, callback=ResumeCallback(tmp_path / "run"))
    resumed = resume_model(PPO, tmp_path / "run")
    (env, _) = resumed.env.envs  # type: ignore[union-attr]
    assert env.unwrapped.opponent.__self__ is resumed.policy
    assert env.unwrapped.player is resumed.policy.action_net
    resumed.learn(2 * ROLLOUT, reset_num_timesteps=False)
    np.testing.assert_equal(outcome(resumed)["weights"], outcome(whole)["weights"])


def test_one_flipped_bit(tmp_path: Path) -> None:
    """The file is read, because the bit did not matter, or the error names it."""
    path = tmp_path / "run"
    settings = PPO_SMALL | {"policy_kwargs": {"net_arch": [2]}}
    VariantPPO("MlpPolicy", DummyVecEnv([SpacesEnv]), **settings).learn(32, callback=ResumeCallback(path))
    whole, places = path.read_bytes(), random.Random(0)
    messages = []
    for _ in range(200):
        content = bytearray(whole)
        content[places.randrange(len(content))] ^= 1 << places.randrange(8)
        path.write_bytes(content)
        try:
            resume_model(VariantPPO, path)
        except ValueError as error:
            messages.append(str(error))
    assert all(f"path={str(path)!r}" in message for message in messages)
    assert len(messages) > 150


def test_a_model_that_cannot_be_saved_is_refused_at_the_start(tmp_path: Path) -> None:
    model = PPO("MlpPolicy", SpacesEnv(), **PPO_SMALL)
    model.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="lock"):
        model.learn(10**6, callback=ResumeCallback(tmp_path / "run"))
    assert model.num_timesteps == 0
