"""Studies of environments that refuse actions which are not allowed: `plan` and `scores` take them as `run` does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ppo_variants.bench.measure_scores import RandomPolicy, random_returns
from sb3_ppo_variants.bench.runs.environments import allowed_action
from sb3_ppo_variants.bench.trials import estimated_seconds
from tests.bench.studies import RUN
from tests.environments import SpacesEnv


class Strict(SpacesEnv):
    """Raises at an action that is not allowed."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        numbers = np.atleast_1d(action)
        sizes = getattr(self.action_space, "nvec", np.full(len(numbers), 2 if len(numbers) > 1 else 4))
        starts = np.cumsum([0, *sizes[:-1]])
        assert self.action_masks()[starts + numbers].all(), f"{action} is not allowed"
        return super().step(action)


@pytest.fixture
def strict() -> Iterator[str]:
    gym.register("Strict-v0", lambda **kwargs: Strict(action="discrete"), max_episode_steps=7)
    yield "Strict-v0"
    del gym.registry["Strict-v0"]


@pytest.mark.parametrize("action", ["discrete", "multidiscrete", "multibinary"])
def test_random_actions_are_allowed_ones(action: str) -> None:
    env = DummyVecEnv([lambda: Strict(action=action)] * 2)
    env.reset()
    policy = RandomPolicy(env, 0)
    for _ in range(50):
        env.step(policy.predict(None)[0])


def test_every_allowed_action_is_drawn() -> None:
    space = spaces.MultiBinary(3, seed=0)
    # The first number must be 0, the second 1, the third is free.
    mask = np.array([True, False, False, True, True, True])
    assert {tuple(map(int, allowed_action(space, mask))) for _ in range(50)} == {(0, 1, 0), (0, 1, 1)}


def test_a_trial_and_a_random_policy(strict: str) -> None:
    run = replace(RUN, environment=strict, algorithm="sb3_contrib.MaskablePPO")
    assert estimated_seconds(run) > 0
    assert random_returns(run, 3).tolist() == random_returns(run, 3).tolist()
