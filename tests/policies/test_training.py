"""Models with the binned policies: every class and term, stock PPO, files, other spaces, the harness."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO

from sb3_ppo_variants import (
    BinnedMlpPolicy,
    MaskableRecurrentVariantPPO,
    MaskableVariantPPO,
    RecurrentVariantPPO,
    ResumeCallback,
    VariantPPO,
    resume_model,
)
from sb3_ppo_variants.bench.runs.train import execute
from sb3_ppo_variants.loop.faster import without_validation
from sb3_ppo_variants.terms import TERMS
from tests.bench.studies import RUN
from tests.contract.classes import assert_finite, learn, needed_arguments
from tests.environments import SpacesEnv
from tests.models import NAMED, SMALL, same_weights

FAST: dict[str, Any] = SMALL | {"learning_rate": 0.01}
each_parameterisation = pytest.mark.parametrize("ordinal", [False, True], ids=["plain", "ordinal"])


LOW = np.array([[-1.0, 0.0], [3.0, -0.2]], np.float32)
HIGH = np.array([[1.0, 10.0], [4.0, 0.1]], np.float32)


class Sides(gym.Env[Any, Any]):
    """Two by two actions, each with bounds of its own."""

    observation_space = spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space = spaces.Box(LOW, HIGH)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        return self.observation_space.sample(), float(action[0, 0]), False, False, {}


def make(cls: Any = VariantPPO, env: Any = "Pendulum-v1", policy: Any = "BinnedMlpPolicy", **arguments: Any) -> Any:
    return cls(policy, env, **(FAST | arguments))


@each_parameterisation
@pytest.mark.parametrize("term", TERMS)
def test_every_term(term: str, ordinal: bool) -> None:
    objective = {"kl_hinge": ["kl_penalty", "kl_hinge"]}.get(term, [term])
    arguments: dict[str, Any] = needed_arguments([TERMS[name] for name in objective])
    model = make(objective=objective, log_kl=True, policy_kwargs={"ordinal": ordinal}, **arguments)
    dumps = learn(model, updates=4)
    assert_finite(dumps)
    assert dumps[-1]["train/kl"] > 1e-5


@pytest.mark.parametrize("cls", NAMED, ids=lambda cls: cls.__name__)
def test_every_named_class(cls: Any) -> None:
    assert_finite(learn(make(cls), updates=4))


@each_parameterisation
def test_stock_ppo_has_the_same_weights(ordinal: bool) -> None:
    arguments: dict[str, Any] = {"policy_kwargs": {"ordinal": ordinal, "n_bins": 11}, "ent_coef": 0.01}
    stock = make(PPO, policy=BinnedMlpPolicy, **arguments).learn(128)
    assert same_weights(make(**arguments).learn(128), stock)


def test_the_ratio_begins_at_one() -> None:
    model = make(env=Sides(), policy_kwargs={"n_bins": 7}, learning_rate=0.0).learn(32)
    samples = next(model.rollout_buffer.get())
    _, log_prob, entropy = model.policy.evaluate_actions(samples.observations, samples.actions)
    assert th.allclose(log_prob, samples.old_log_prob, atol=1e-5)
    assert (entropy > 0).all()


@each_parameterisation
def test_predictions_are_centres_within_the_bounds(ordinal: bool) -> None:
    model = make(env=Sides(), policy_kwargs={"n_bins": 3, "ordinal": ordinal}).learn(64)
    centres = np.linspace(LOW, HIGH, 3)
    for deterministic in (False, True):
        for _ in range(20):
            action, _ = model.predict(Sides.observation_space.sample(), deterministic=deterministic)
            assert Sides.action_space.contains(action)
            assert np.isclose(action, centres, atol=1e-6).any(axis=0).all()
    first, second = (model.predict(np.zeros(3, np.float32), deterministic=True)[0] for _ in range(2))
    assert np.array_equal(first, second)


def test_files_work_in_both_directions(tmp_path: Path) -> None:
    model = make(policy_kwargs={"n_bins": 5, "ordinal": True}).learn(64)
    model.save(tmp_path / "ours.zip")
    make(PPO, policy=BinnedMlpPolicy, policy_kwargs={"n_bins": 5, "ordinal": True}).save(tmp_path / "stock.zip")
    observation = np.ones(3, np.float32)
    for cls in (VariantPPO, PPO):
        loaded: Any = cls.load(tmp_path / "ours.zip", device="cpu")
        assert same_weights(loaded, model)
        assert (loaded.policy.n_bins, loaded.policy.ordinal) == (5, True)
        action, theirs = (each.predict(observation, deterministic=True)[0] for each in (loaded, model))
        assert np.array_equal(action, theirs)
        loaded.set_env(model.get_env())
        loaded.learn(64)
        assert VariantPPO.load(tmp_path / "stock.zip", device="cpu").policy.n_bins == 5
    model.policy.save(tmp_path / "policy.pth")
    policy = BinnedMlpPolicy.load(str(tmp_path / "policy.pth"), device="cpu")
    assert (policy.n_bins, policy.ordinal) == (5, True)
    assert np.array_equal(policy.predict(observation, deterministic=True)[0], action)


def test_the_state_dictionary_is_that_of_discrete_actions() -> None:
    discrete = PPO("MlpPolicy", "CartPole-v1", device="cpu")
    assert list(make().policy.state_dict()) == list(discrete.policy.state_dict())


def test_a_run_goes_on_in_another_process(tmp_path: Path) -> None:
    whole = make(log_kl=True).learn(128)
    make(log_kl=True).learn(64, callback=ResumeCallback(tmp_path / "resume.zip", every=64))
    resumed = resume_model(VariantPPO, tmp_path / "resume.zip")
    resumed.learn(64, reset_num_timesteps=False)
    assert same_weights(resumed, whole)


def test_centres_follow_the_policy_to_another_device() -> None:
    policy = make().policy.to("meta")
    with without_validation(policy):  # such tensors have no numbers
        assert policy.get_distribution(th.zeros(1, 3, device="meta")).sample().device.type == "meta"


@pytest.mark.parametrize(("policy", "observation"), [("BinnedCnnPolicy", "image"), ("BinnedMultiInputPolicy", "dict")])
def test_other_observations(policy: str, observation: str) -> None:
    model = make(env=SpacesEnv(observation), policy=policy, log_kl=True)
    assert_finite(learn(model, updates=1))
    action, _ = model.predict(model.get_env().reset())
    assert (np.abs(action) <= 1).all()


OTHERS = [MaskableVariantPPO, RecurrentVariantPPO, MaskableRecurrentVariantPPO]


@pytest.mark.parametrize("cls", OTHERS, ids=lambda cls: cls.__name__)
def test_other_hosts_refuse_them(cls: Any) -> None:
    own = next(iter(cls.policy_aliases))
    for policy in ("BinnedMlpPolicy", "BinnedCnnPolicy", "BinnedMultiInputPolicy"):
        with pytest.raises(ValueError, match=f"{cls.__name__}: policy='{policy}' is not known.*Choices: '{own}'"):
            make(cls, policy=policy)


def test_a_host_with_lstm_refuses_the_class() -> None:
    said = "RecurrentVariantPPO: policy=BinnedMlpPolicy has no LSTM; give one of MlpLstmPolicy"
    with pytest.raises(ValueError, match=said):
        make(RecurrentVariantPPO, policy=BinnedMlpPolicy)


def test_the_host_refuses_what_has_no_bins() -> None:
    with pytest.raises(ValueError, match=r"BinnedMlpPolicy: action_space=Discrete\(2\)"):
        make(env="CartPole-v1")
    with pytest.raises(ValueError, match="BinnedMlpPolicy: use_sde=True"):
        make(use_sde=True)


def test_a_run_of_a_study(tmp_path: Path) -> None:
    arguments = RUN.arguments | {"policy_kwargs": {"n_bins": 5}, "log_kl": True}
    binned: dict[str, Any] = {
        "algorithm": "sb3_ppo_variants.VariantPPO",
        "policy": "BinnedMlpPolicy",
        "environment": "Pendulum-v1",
    }
    execute(replace(RUN, **binned, arguments=arguments), tmp_path, "test")
    model = VariantPPO.load(tmp_path / "Pendulum-v1.zip", device="cpu")
    assert isinstance(model.policy, BinnedMlpPolicy)
    assert model.policy.n_bins == 5
    assert "train/kl" in (tmp_path / "progress.csv").read_text().splitlines()[0]
