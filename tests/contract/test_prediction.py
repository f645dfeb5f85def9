"""``predict`` and ``evaluate_policy`` are those of the stock classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sb3_contrib.common.maskable.evaluation import evaluate_policy as evaluate_masked
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.utils import set_random_seed

from sb3_ppo_variants.maskable_lstm import evaluate_policy as evaluate_with_masks_and_states
from tests.contract.classes import HOSTS, each_class, host_of, learn, make_env, make_model, saved, stock_of


def predictions(model: Any, deterministic: bool) -> list[Any]:
    """Actions and hidden states of a few steps, with all that the host's ``predict`` takes."""
    env, host = make_env(type(model)), host_of(type(model))
    set_random_seed(0)
    observations, state, starts = env.reset(), None, np.ones(2, dtype=bool)
    result: list[Any] = []
    for _ in range(9):
        masks = {"action_masks": get_action_masks(env)} if host.masks else {}
        actions, state = model.predict(
            observations, state=state, episode_start=starts, deterministic=deterministic, **masks
        )
        if host.masks:
            assert masks["action_masks"][np.arange(2), actions].all()
        result += [actions, *(state or ())]
        observations, _, starts, _ = env.step(actions)
    return result


@pytest.mark.parametrize("deterministic", [True, False])
@each_class
def test_predicts_as_the_stock_class(cls: Any, deterministic: bool, tmp_path: Path) -> None:
    model = make_model(cls)
    learn(model)
    stock = stock_of(cls).load(saved(model, tmp_path), device="cpu")
    ours, theirs = predictions(model, deterministic), predictions(stock, deterministic)
    assert len(ours) == len(theirs) == 9 * (3 if host_of(cls).recurrent else 1)
    for mine, his in zip(ours, theirs, strict=True):
        assert np.array_equal(mine, his)


@each_class
def test_deterministic_or_not(cls: Any) -> None:
    model = make_model(cls)
    observations = model.get_env().reset()
    fixed = [model.predict(observations, deterministic=True)[0] for _ in range(2)]
    assert np.array_equal(*fixed)
    drawn = [model.predict(observations)[0] for _ in range(30)]
    assert any(not np.array_equal(drawn[0], other) for other in drawn)
    single, _ = model.predict(observations[0], deterministic=True)
    assert np.allclose(single, fixed[0][0], atol=1e-6)
    assert model.action_space.contains(single)


@each_class
def test_hidden_state_is_used_where_there_is_one(cls: Any) -> None:
    model = make_model(cls)
    observations = model.get_env().reset()
    _, state = model.predict(observations, deterministic=True)
    assert (state is not None) == host_of(cls).recurrent
    if state is None:
        return
    _, second = model.predict(observations, state=state, deterministic=True)
    _, again = model.predict(observations, state=state, episode_start=np.ones(2), deterministic=True)
    assert not np.array_equal(second[0], state[0])
    assert np.allclose(again[0], state[0], atol=1e-6)


def evaluate(model: Any, **arguments: Any) -> Any:
    """With the masks where the host has them."""
    host = host_of(type(model))
    function: Any = evaluate_masked if host.masks else evaluate_policy
    if host.masks and host.recurrent:
        function = evaluate_with_masks_and_states
    set_random_seed(0)
    return function(model, make_env(type(model)), n_eval_episodes=4, **arguments)


@each_class
def test_evaluate_policy_as_the_stock_class(cls: Any, tmp_path: Path) -> None:
    model = make_model(cls)
    stock = stock_of(cls).load(saved(model, tmp_path), device="cpu")
    assert evaluate(model) == evaluate(stock)
    assert evaluate(model, deterministic=False) == evaluate(stock, deterministic=False)
    rewards, lengths = evaluate(model, return_episode_rewards=True)
    assert len(rewards) == 4
    assert lengths == [7] * 4


def test_the_hosts_differ_where_these_tests_ask_them() -> None:
    """A walk that saw no masks or no hidden state would leave half of these files untested."""
    assert sum(host.masks for host in HOSTS) >= 1
    assert sum(host.recurrent for host in HOSTS) >= 1
