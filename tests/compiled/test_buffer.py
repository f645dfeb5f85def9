"""Writing a step and estimating advantages: the numbers of SB3's buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer

from sb3_ppo_variants.compiled.buffer import DirectRecord, Record, compute_returns_and_advantage, record


def buffer(steps: int, n_envs: int) -> RolloutBuffer:
    space = spaces.Box(-1, 1, (2,), np.float32)
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


ACTIONS: dict[str, spaces.Space[Any]] = {
    "discrete": spaces.Discrete(3),
    "box": spaces.Box(-1, 1, (2, 2), np.float32),
    "multibinary": spaces.MultiBinary(2),
}
OBSERVATIONS: dict[str, spaces.Space[Any]] = {
    "vector": spaces.Box(-1, 1, (2,), np.float32),
    "number": spaces.Discrete(5),
    "dictionary": spaces.Dict({"a": spaces.Box(-1, 1, (2,), np.float32), "b": spaces.Discrete(5)}),
}


def draw(space: spaces.Space[Any], generator: np.random.Generator) -> Any:
    """Samples of two environments."""
    if isinstance(space, spaces.Dict):
        return {key: draw(part, generator) for key, part in space.items()}
    shape = (2, *(space.shape or ()))
    if isinstance(space, spaces.Box):
        return generator.uniform(-1, 1, shape).astype(np.float32)
    return generator.integers(0, 2, shape).astype(space.dtype)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_steps_are_kept_as_by_sb3(observation: str, action: str, native: bool) -> None:
    cls: Any = DictRolloutBuffer if observation == "dictionary" else RolloutBuffer
    mine, stock = (cls(3, OBSERVATIONS[observation], ACTIONS[action], "cpu", n_envs=2) for _ in range(2))
    generator = np.random.default_rng(0)
    steps = record(mine, draw(OBSERVATIONS[observation], generator), th.device("cpu"))
    assert isinstance(steps, DirectRecord) == (action != "multibinary")
    for _ in range(3):
        assert not mine.full
        obs, actions = draw(OBSERVATIONS[observation], generator), draw(ACTIONS[action], generator)
        values, log_probs = th.rand(2, 1), th.rand(2)
        rest = (generator.random(2), np.array([True, False]))
        stock.add(obs, actions, *rest, values, log_probs)
        seen = steps.observe(obs)
        returned = (th.as_tensor(actions), values, log_probs)
        if native and steps.outputs is not None:
            for output, tensor in zip(steps.outputs, returned, strict=True):
                output.copy_(tensor)
            returned = steps.outputs
        assert np.array_equal(steps.array(returned[0]), actions)
        steps.add(obs, steps.array(returned[0]), *rest, *returned[1:])
        for key, part in obs.items() if isinstance(obs, dict) else [("", obs)]:
            assert np.array_equal(seen[key] if key else seen, part)
    assert mine.full
    for name in ("observations", "actions", "rewards", "episode_starts", "values", "log_probs"):
        one, other = (vars(buffer)[name] for buffer in (mine, stock))
        for key in one if isinstance(one, dict) else [...]:
            assert np.array_equal(one[key], other[key]), name


def test_what_a_callback_puts_in_the_place_of_observations_is_kept() -> None:
    one = buffer(2, 2)
    obs = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
    steps = record(one, obs, th.device("cpu"))
    steps.observe(obs)
    steps.add(obs + 1, np.array([0, 1]), np.zeros(2), np.zeros(2), th.zeros(2, 1), th.zeros(2))
    assert np.array_equal(one.observations[0], obs + 1)


def test_observations_of_another_type_are_left_to_the_buffer() -> None:
    assert type(record(buffer(2, 2), np.zeros((2, 2)), th.device("cpu"))) is Record  # VecNormalize gives others, say


def test_what_environments_do_with_actions_later_is_not_recorded() -> None:
    """An environment may keep its last action and write into it."""
    kept = RolloutBuffer(2, OBSERVATIONS["vector"], spaces.MultiDiscrete([3, 3]), "cpu", n_envs=2)
    obs, rest = np.zeros((2, 2), np.float32), (np.zeros(2), np.zeros(2))
    steps = record(kept, obs, th.device("cpu"))
    assert isinstance(steps, DirectRecord)
    steps.observe(obs)
    steps.outputs.actions.copy_(th.tensor([[1, 2], [2, 1]]))
    actions = steps.array(steps.outputs.actions)
    # SB3 records what an environment writes within the step.
    actions[0, 0] = 2
    steps.add(obs, actions, *rest, steps.outputs.values, steps.outputs.log_probs)
    actions[:] = 0
    assert kept.actions[0].tolist() == [[2, 2], [2, 1]]
