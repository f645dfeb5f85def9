"""The single file with an LSTM that speed is compared with does the work of stock RecurrentPPO."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th

from benchmarks.measurements.settings import LSTM, Setting
from benchmarks.measurements.sides import SIDES, STOCK

pytest.importorskip("gymnasium", "1.1", reason="environments that reset in the step that ends them")

# Two whole environments in a minibatch; a part of the one environment in a minibatch.
SEVERAL = Setting("several", "CartPole-v1", 4, {"n_steps": 32, "batch_size": 64, "n_epochs": 2}, LSTM)
ONE = Setting("one", "CartPole-v1", 1, {"n_steps": 64, "batch_size": 16, "n_epochs": 1}, LSTM)


def single_file(chosen: Setting) -> Any:
    return SIDES["single_file_lstm"].trainer(chosen, "cpu")


def pairs(stock: Any, single: Any) -> list[tuple[th.Tensor, th.Tensor]]:
    """The same parameters of both."""
    policy, agent = stock._model.policy, single.agent
    layers = policy.mlp_extractor
    theirs = [policy.lstm_actor, policy.lstm_critic, layers.policy_net, policy.action_net]
    theirs += [layers.value_net, policy.value_net]
    mine = [agent.actor_lstm, agent.critic_lstm, agent.actor, agent.critic]
    columns = [[parameter for module in modules for parameter in module.parameters()] for modules in (theirs, mine)]
    return list(zip(*columns, strict=True))


def test_networks_are_those_of_stock() -> None:
    stock, single = STOCK.trainer(SEVERAL, "cpu"), single_file(SEVERAL)
    assert all(theirs.shape == mine.shape for theirs, mine in pairs(stock, single))
    numbers = [sum(p.numel() for p in m.parameters()) for m in (stock._model.policy, single.agent)]  # type: ignore[attr-defined]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize(("chosen", "steps"), [(SEVERAL, 4), (ONE, 4)], ids=["several", "one"])
def test_gradient_steps_are_those_of_stock(chosen: Setting, steps: int) -> None:
    stock: Any = STOCK.trainer(chosen, "cpu")
    single = single_file(chosen)
    for trainer, optimizer in ((stock, stock._model.policy.optimizer), (single, single.optimizer)):
        trainer.end_to_end()
        assert {int(state["step"]) for state in optimizer.state.values()} == {steps}


@pytest.mark.parametrize("n_envs", [1, 3])
def test_an_update_is_that_of_stock(monkeypatch: pytest.MonkeyPatch, n_envs: int) -> None:
    """The same rollout in one minibatch, in its own order: advantages and gradient are the same."""
    monkeypatch.setattr(np.random, "randint", lambda *_: 0)  # where stock cuts the rollout in two
    arguments = {"n_steps": 64, "batch_size": 64 * n_envs, "n_epochs": 1, "ent_coef": 0.1, "gae_lambda": 0.8}
    chosen = Setting("equal", "CartPole-v1", n_envs, arguments, LSTM)
    stock: Any = STOCK.trainer(chosen, "cpu")
    single = single_file(chosen)
    for _ in range(2):  # the second begins in the middle of an episode
        stock.rollout()
    model, buffer = stock._model, stock._model.rollout_buffer
    for name in ("observations", "actions", "rewards", "values", "log_probs"):
        storage = getattr(single, name)
        storage.copy_(th.as_tensor(getattr(buffer, name)).reshape(storage.shape))
    single.starts.copy_(th.as_tensor(buffer.episode_starts))
    assert single.starts[0].sum() < n_envs
    assert single.starts[1:].sum() > 0
    first = [getattr(buffer, name)[0, 0] for name in ("hidden_states_pi", "cell_states_pi")]
    first += [getattr(buffer, name)[0, 0] for name in ("hidden_states_vf", "cell_states_vf")]
    single.states.copy_(th.as_tensor(np.stack(first))[None])
    single.state = th.cat([*model._last_lstm_states.pi, *model._last_lstm_states.vf])
    single.observation, single.start = th.as_tensor(model._last_obs), th.as_tensor(model._last_episode_starts).float()
    for theirs, mine in pairs(stock, single):
        mine.data.copy_(theirs.data)
    single.estimate_advantages()
    th.testing.assert_close(single.advantages, th.as_tensor(buffer.advantages), rtol=1e-4, atol=1e-5)
    stock.update()
    single.update()
    for theirs, mine in pairs(stock, single):
        assert theirs.grad is not None
        assert mine.grad is not None
        th.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-6)


def test_segments_begin_with_their_state() -> None:
    """Played again from there, with the weights of the rollout, every step has its value and log-probability."""
    trainer = single_file(ONE)
    for _ in range(2):
        trainer.rollout()
    states = trainer.states.transpose(0, 1).flatten(1, 2)
    observations, starts, actions, values, log_probs = (
        trainer._segments(getattr(trainer, name))
        for name in ("observations", "starts", "actions", "values", "log_probs")
    )
    assert observations.shape == (16, 4, 4)
    assert th.equal(observations[:, 1], trainer.observations[16:32, 0])
    with th.no_grad():
        distribution, again, _ = trainer.agent(observations, starts, states)
    th.testing.assert_close(again, values, rtol=1e-4, atol=1e-5)
    th.testing.assert_close(distribution.log_prob(actions), log_probs, rtol=1e-4, atol=1e-5)


class Short(gym.Env[np.ndarray, np.int64]):
    """Time runs out after five steps."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)
    steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return np.full(2, self.steps / 5, np.float32), 1.0, False, self.steps == 5, {}


def test_time_limits_are_bootstrapped() -> None:
    """A reward of 1, and the discounted value of the last observation after the five before it."""
    trainer = single_file(Setting("short", Short, 2, {"n_steps": 5, "batch_size": 10, "gamma": 0.5}, LSTM))
    seen = th.arange(6).div(5).repeat(2, 2, 1).permute(2, 0, 1)  # zero to one, in both environments
    with th.no_grad():
        _, values, _ = trainer.agent(seen, th.zeros(6, 2), th.zeros(4, 2, 256))
    trainer.rollout()
    assert trainer.rewards[:4].eq(1.0).all()
    th.testing.assert_close(trainer.rewards[4], 1.0 + 0.5 * values[5])
