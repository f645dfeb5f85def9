from __future__ import annotations

import copy
import pickle
from collections import defaultdict
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_ppo_variants.vec_env import FastDummyVecEnv
from sb3_ppo_variants.vec_env.dummy import without_deep_copies


class Reusing(gym.Env[Any, Any]):
    """Gives the same observation array, info dictionary, list and array at every step, and changes what is in them."""

    action_space = spaces.Discrete(2)

    def __init__(self, dictionary: bool = False) -> None:
        box = spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.observation_space: spaces.Space[Any] = spaces.Dict({"a": box, "b": box}) if dictionary else box
        self.array = np.zeros(2, np.float32)
        self.observation = {"a": self.array, "b": self.array} if dictionary else self.array
        self.info: dict[str, Any] = {"array": self.array, "list": [0], "nested": {"steps": [0]}, "steps": 0}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.array[:] = 0
        return self.observation, self.info

    def step(self, action: Any) -> Any:
        self.array += 1
        self.info["steps"] += 1
        self.info["list"][0] += 1
        self.info["nested"]["steps"].append(self.info["steps"])
        return self.observation, 1.0, self.array[0] >= 3, False, self.info


@pytest.mark.parametrize("dictionary", [False, True])
def test_nothing_that_was_returned_changes_later(dictionary: bool) -> None:
    vec_env: Any = FastDummyVecEnv([lambda: Reusing(dictionary)])
    returned = [vec_env.reset()]
    before = [copy.deepcopy(returned[0])]
    for _ in range(7):
        step = vec_env.step(np.array([0]))
        returned.append(step)
        before.append(copy.deepcopy(step))
    assert repr(returned) == repr(before)
    assert [step[3][0]["nested"]["steps"][-1] for step in returned[1:]] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("environment", ["CartPole-v1", "Pendulum-v1"])
def test_equals_the_class_of_sb3(environment: str) -> None:
    steps = []
    for kind in (DummyVecEnv, FastDummyVecEnv):
        vec_env: Any = kind([lambda: Monitor(gym.make(environment, max_episode_steps=20))] * 2)
        vec_env.action_space.seed(1)
        vec_env.seed(3)
        of_kind = [vec_env.reset()]
        for _ in range(60):
            *rest, infos = vec_env.step(np.array([vec_env.action_space.sample() for _ in range(2)]))
            for info in infos:
                if "episode" in info:
                    info["episode"].pop("t")
            of_kind.append((rest, infos))
        steps.append(repr(of_kind))
    assert steps[0] == steps[1]


def test_is_one_of_sb3_in_every_use() -> None:
    vec_env = make_vec_env("CartPole-v1", 2, vec_env_cls=FastDummyVecEnv)
    assert isinstance(vec_env, DummyVecEnv)
    again: Any = pickle.loads(pickle.dumps(vec_env))
    assert [type(one) for one in (vec_env, again)] == [FastDummyVecEnv] * 2
    again.reset()
    first = again.step(np.array([0, 0]))[0]
    kept = first.copy()
    again.step(np.array([0, 0]))
    assert (first == kept).all()
    observations = VecNormalize(copy.deepcopy(vec_env)).reset()
    assert np.shape(observations) == (2, 4)  # type: ignore[arg-type]


def test_a_copy_made_while_copies_are_left_out_is_that_of_sb3() -> None:
    """As a callback may save the environments in the middle of a rollout."""
    vec_env = make_vec_env("CartPole-v1", 2)
    vec_env.seed(1)
    vec_env.reset()
    with without_deep_copies(vec_env):
        again = pickle.loads(pickle.dumps(vec_env))
        mine = vec_env.step(np.array([0, 1]))
    assert type(again) is DummyVecEnv
    np.testing.assert_equal(again.step(np.array([0, 1])), mine)
    assert "step_wait" not in vars(vec_env)


def test_a_step_that_a_user_put_in_place_stays() -> None:
    vec_env: Any = make_vec_env("CartPole-v1", 1)
    vec_env.step_wait = lambda: "mine"
    with without_deep_copies(vec_env):
        assert vec_env.step(np.array([0])) == "mine"
    assert vec_env.step(np.array([0])) == "mine"


class Counting(gym.Wrapper[Any, Any, Any, Any]):
    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, _ = self.env.step(action)
        return observation, reward, terminated, truncated, defaultdict(float, own=1.0)


def test_infos_of_another_class_keep_it() -> None:
    env = FastDummyVecEnv([lambda: Counting(gym.make("CartPole-v1"))])
    env.reset()
    (info,) = env.step(np.zeros(1, dtype=np.int64))[3]
    assert (info["own"], info["absent"]) == (1.0, 0.0)
