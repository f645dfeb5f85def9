"""The single file of PyTorch that speed is compared with does the work of stock PPO."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch as th

from benchmarks.measurements.settings import ImageEnv, Setting, setting
from benchmarks.measurements.sides import SIDES, STOCK

pytest.importorskip("gymnasium", "1.1", reason="environments that reset in the step that ends them")

SHORT = {"n_steps": 32, "batch_size": 64, "n_epochs": 2, "policy_kwargs": {"net_arch": [16, 16, 16]}}
SHORT_SETTINGS = {
    "discrete": setting("B"),
    "continuous": Setting("continuous", "Pendulum-v1", 4, SHORT),
    "images": Setting("images", ImageEnv, 2, {"n_steps": 8, "batch_size": 8, "n_epochs": 2}, "CnnPolicy"),
    "a smaller last minibatch": Setting("smaller", "CartPole-v1", 3, SHORT),
}


def single_file(chosen: Setting) -> Any:
    return SIDES["single_file"].trainer(chosen, "cpu")


def shapes(parameters: Any) -> list[tuple[int, ...]]:
    return sorted(tuple(parameter.shape) for parameter in parameters)


@pytest.mark.parametrize("name", SHORT_SETTINGS)
def test_networks_are_those_of_stock(name: str) -> None:
    chosen = SHORT_SETTINGS[name]
    assert shapes(single_file(chosen).agent.parameters()) == shapes(STOCK.model(chosen).policy.parameters())


@pytest.mark.parametrize(
    ("name", "steps"), [("discrete", 20), ("continuous", 4), ("images", 4), ("a smaller last minibatch", 4)]
)
def test_gradient_steps_are_those_of_stock(name: str, steps: int) -> None:
    chosen = SHORT_SETTINGS[name]
    stock: Any = STOCK.trainer(chosen, "cpu")
    for trainer, optimizer in (
        (stock, stock._model.policy.optimizer),
        (single := single_file(chosen), single.optimizer),
    ):
        trainer.end_to_end()
        assert {int(state["step"]) for state in optimizer.state.values()} == {steps}
        trainer.update()
        assert {int(state["step"]) for state in optimizer.state.values()} == {2 * steps}


def pairs(stock: Any, single: Any) -> list[tuple[th.Tensor, th.Tensor]]:
    """The same parameters of both, but for standard deviations, which begin at one in both."""
    policy, agent = stock._model.policy, single.agent
    actor = [*policy.mlp_extractor.policy_net.parameters(), *policy.action_net.parameters()]
    critic = [*policy.mlp_extractor.value_net.parameters(), *policy.value_net.parameters()]
    mine = [*agent.actor.parameters(), *agent.critic.parameters()]
    return list(zip([*actor, *critic], mine, strict=True))


def copy(stock: Any, single: Any) -> None:
    """Stock's rollout and weights in the other's storage."""
    buffer = stock._model.rollout_buffer
    for name in ("observations", "actions", "rewards", "values", "log_probs"):
        storage = getattr(single, name)
        storage.copy_(th.as_tensor(getattr(buffer, name)).reshape(storage.shape))
    single.starts.copy_(th.as_tensor(buffer.episode_starts))
    single.observation = th.as_tensor(stock._model._last_obs).reshape(single.observation.shape)
    single.start = th.as_tensor(stock._model._last_episode_starts).float()
    for theirs, mine in pairs(stock, single):
        mine.data.copy_(theirs.data)


@pytest.mark.parametrize("environment", ["CartPole-v1", "Pendulum-v1"])
def test_an_update_is_that_of_stock(environment: str) -> None:
    """The same rollout in one minibatch, whose order then says nothing: advantages and parameters are the same."""
    arguments = {"n_steps": 128, "batch_size": 512, "n_epochs": 3, "learning_rate": 0.01, "clip_range": 0.02}
    arguments |= {"gamma": 0.9, "gae_lambda": 0.8, "ent_coef": 0.1, "vf_coef": 0.3, "max_grad_norm": 0.4}
    chosen = Setting("equal", environment, 4, arguments)
    stock: Any = STOCK.trainer(chosen, "cpu")
    single = single_file(chosen)
    stock.rollout()
    copy(stock, single)
    single.estimate_advantages()
    th.testing.assert_close(single.advantages, th.as_tensor(stock._model.rollout_buffer.advantages))
    stock.update()
    single.update()
    for theirs, mine in pairs(stock, single):
        th.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)
    assert single.statistics["clip_fraction"] > 0.0


def test_a_rollout_is_kept_step_by_step() -> None:
    chosen = SHORT_SETTINGS["discrete"]
    trainer = single_file(chosen)
    for _ in range(4):
        trainer.rollout()
    assert trainer.observations.shape == (32, 8, 4)
    assert trainer.rewards.eq(1.0).all()
    assert trainer.starts.sum() > 0
    # In CartPole-v1 a pole that has just been set up is within 0.05 of the middle.
    assert trainer.observations[trainer.starts.bool()].abs().max() <= 0.05
    assert 8.0 <= np.mean(trainer.returns) <= 100.0


def test_time_limits_are_bootstrapped() -> None:
    """A reward of 1, and the discounted value of the last image where the episode of 5 steps ends."""
    arguments = {"n_steps": 5, "batch_size": 10, "gamma": 0.5}
    chosen = Setting("short", lambda: TimeLimited(episode=5), 2, arguments, "CnnPolicy")
    trainer = single_file(chosen)
    with th.no_grad():
        last = trainer._tensor(TimeLimited()._frames[5].transpose(2, 0, 1)[None])
        value = trainer.agent(last)[1].item()
    trainer.rollout()
    assert trainer.rewards[:4].eq(1.0).all()
    assert trainer.rewards[4].tolist() == pytest.approx([1.0 + 0.5 * value] * 2, abs=1e-5)
    assert trainer.start.tolist() == [1.0, 1.0]


class TimeLimited(ImageEnv):
    """Ends because time runs out."""

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, False, terminated, info
