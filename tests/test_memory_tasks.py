"""The tasks of the study of memory: what they show, what they allow, what they give."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from benchmarks.memory_tasks import DOORS, LENGTH, WALK, Corridor

IDS = [f"benchmarks.memory_tasks:{name}" for name in ("Corridor-v0", "CartPoleWithoutVelocities-v1")]


@pytest.mark.parametrize("name", IDS)
def test_gymnasium_finds_them_and_they_keep_its_rules(name: str) -> None:
    check_env(gym.make(name).unwrapped, skip_render_check=True)
    first, again, other = (gym.make(name) for _ in range(3))
    seeded = [env.reset(seed=seed)[0] for env, seed in ((first, 3), (again, 3))]
    assert np.array_equal(seeded[0], seeded[1])
    assert any(not np.array_equal(other.reset(seed=seed)[0], seeded[0]) for seed in range(10))


def test_the_velocities_are_hidden() -> None:
    env, whole = gym.make(IDS[1]), gym.make("CartPole-v1")
    shown, state = env.reset(seed=0)[0], whole.reset(seed=0)[0]
    assert shown.tolist() == [state[0], state[2]]
    for _ in range(5):
        shown, state = env.step(1)[0], whole.step(1)[0]
        assert shown.tolist() == [state[0], state[2]]
        assert env.observation_space.contains(shown)


def walk(env: Corridor, last: int) -> tuple[list[Any], float]:
    """Walk to the doors and open one; what was seen after the start, and the sum of rewards."""
    seen, total = [], 0.0
    for action in [WALK] * (LENGTH - 1) + [last]:
        assert env.action_masks()[action]
        observation, reward, over, _, _ = env.step(np.int64(action))
        seen.append(observation)
        total += reward
    assert over
    return seen, total


@pytest.mark.parametrize("seed", range(5))
def test_only_the_door_that_was_shown_gives_a_reward(seed: int) -> None:
    env = Corridor()
    for door in range(DOORS):
        shown, _ = env.reset(seed=seed)
        right = int(shown.argmax())
        assert shown.tolist() == [float(place == right) for place in range(DOORS)]
        seen, total = walk(env, door)
        assert total == (1.0 if door == right else 0.0)
        assert not np.any(seen)  # the door is not shown again


def test_the_masks_allow_walking_and_then_the_doors() -> None:
    env = Corridor()
    env.reset(seed=0)
    for _ in range(LENGTH - 1):
        assert env.action_masks().tolist() == [False] * DOORS + [True]
        env.step(np.int64(WALK))
    assert env.action_masks().tolist() == [True] * DOORS + [False]


def test_what_is_not_allowed_ends_the_episode_with_nothing() -> None:
    env = Corridor()
    shown, _ = env.reset(seed=0)
    assert env.step(np.int64(shown.argmax()))[1:3] == (0.0, True)  # the right door, too early
    env.reset(seed=0)
    for _ in range(LENGTH - 1):
        assert env.step(np.int64(WALK))[1:3] == (0.0, False)
    assert env.step(np.int64(WALK))[1:3] == (0.0, True)
