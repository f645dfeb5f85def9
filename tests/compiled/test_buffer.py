"""Writing a step and estimating advantages: the numbers of SB3's buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.buffers import RolloutBuffer

from sb3_ppo_variants.compiled.buffer import compute_returns_and_advantage, writer


def buffer(steps: int, n_envs: int, observations: spaces.Space[Any] | None = None) -> RolloutBuffer:
    space = spaces.Box(-1, 1, (2,), np.float32) if observations is None else observations
    return RolloutBuffer(steps, space, spaces.Discrete(3), "cpu", gamma=0.5, gae_lambda=0.5, n_envs=n_envs)


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 2**31))
def test_advantages_are_those_of_sb3_bit_for_bit(steps: int, n_envs: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    made = []
    for compute in (compute_returns_and_advantage, RolloutBuffer.compute_returns_and_advantage):
        generator = np.random.default_rng(seed)
        one = buffer(steps, n_envs)
        one.rewards[:] = generator.normal(size=(steps, n_envs))
        one.values[:] = generator.normal(size=(steps, n_envs))
        one.episode_starts[:] = generator.random((steps, n_envs)) < 0.3
        compute(one, th.as_tensor(generator.normal(size=(n_envs, 1)), dtype=th.float32), generator.random(n_envs) < 0.3)
        made.append(one)
    assert np.array_equal(made[0].advantages, made[1].advantages)
    assert np.array_equal(made[0].returns, made[1].returns)


def test_advantages_by_hand() -> None:
    """Two steps; with gamma and lambda a half, a step back counts a quarter."""
    one = buffer(2, 1)
    one.rewards[:] = [[1.0], [2.0]]
    one.values[:] = [[0.5], [1.0]]
    compute_returns_and_advantage(one, th.tensor([[4.0]]), np.array([False]))
    assert one.advantages.tolist() == [[1.75], [3.0]]  # 1 + 0.5 - 0.5 + 3 / 4, and 2 + 2 - 1
    assert one.returns.tolist() == [[2.25], [4.0]]


def test_an_episode_that_ends_takes_nothing_from_the_next() -> None:
    one = buffer(2, 1)
    one.rewards[:] = [[1.0], [2.0]]
    one.episode_starts[1] = 1.0
    compute_returns_and_advantage(one, th.tensor([[4.0]]), np.array([True]))
    assert one.advantages.tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize("observations", [None, spaces.Discrete(5)])
def test_a_step_is_written_as_by_sb3(observations: spaces.Space[Any] | None) -> None:
    made = []
    for add in (lambda one: one.add, writer):
        one = buffer(2, 2, observations)
        obs = np.array([3, 4]) if observations else np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
        step = (np.array([1, 2]), np.array([0.5, -1.0]), np.array([True, False]))
        for _ in range(2):
            assert not one.full
            add(one)(obs, *step, th.tensor([[1.5], [2.5]]), th.tensor([-0.5, -0.25]))
        assert one.full
        assert one.pos == 2
        made.append(one)
    for name in ("observations", "actions", "rewards", "episode_starts", "values", "log_probs"):
        assert np.array_equal(getattr(made[0], name), getattr(made[1], name)), name
    assert made[1].values.tolist() == [[1.5, 2.5], [1.5, 2.5]]
    assert made[1].actions[0].tolist() == [[1], [2]]
