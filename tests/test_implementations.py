"""Libraries that speed is compared with do as much as stock PPO; each test needs the library that it is about."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch as th

from benchmarks.measurements.settings import Setting, setting
from benchmarks.measurements.sides import OTHERS, SIDES, STOCK

# Of a trainer: its parameters and its optimiser.
PARTS: dict[str, Callable[[Any], tuple[th.nn.Module, th.optim.Optimizer]]] = {
    "tianshou": lambda trainer: (trainer.algorithm, trainer.algorithm.optim._optim),
    "rlox": lambda trainer: (trainer.algorithm.policy, trainer.algorithm.optimizer),
}
GRADIENT_STEPS = {"B": 20, "C": 80, "D": 4}


def trainer_of(side: str, chosen: Setting) -> Any:
    pytest.importorskip(side)
    return SIDES[side].trainer(chosen, "cpu")


@pytest.mark.parametrize(("side", "name"), [(s, n) for s in PARTS for n in GRADIENT_STEPS if (s, n) != ("rlox", "D")])
def test_work_is_that_of_stock(side: str, name: str) -> None:
    trainer = trainer_of(side, setting(name))
    network, optimizer = PARTS[side](trainer)
    expected = STOCK.model(setting(name)).policy
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in expected.parameters())
    for times, phase in enumerate((trainer.end_to_end, trainer.update, trainer.end_to_end), 1):
        phase()
        assert {int(state["step"]) for state in optimizer.state.values()} == {times * GRADIENT_STEPS[name]}
    trainer.rollout()
    assert {int(state["step"]) for state in optimizer.state.values()} == {3 * GRADIENT_STEPS[name]}


def networks(module: Any) -> list[th.Tensor]:
    """Parameters of a policy or a value, but for standard deviations, which begin at one."""
    return [parameter for name, parameter in module.named_parameters() if name not in ("sigma_param", "log_std")]


def of_tianshou(trainer: Any) -> tuple[list[th.Tensor], dict[str, Any], Any]:
    batch, _ = trainer.collector.buffer.sample(0)
    # The buffer has one environment after the other.
    split = {"observations": batch.obs, "actions": batch.act, "rewards": batch.rew}
    split = {name: array.reshape(4, 64, -1).swapaxes(0, 1) for name, array in split.items()}
    parameters = [*networks(trainer.algorithm.policy.actor), *networks(trainer.algorithm.critic)]
    return parameters, split, batch.obs_next.reshape(4, 64, -1)[:, -1]


def of_rlox(trainer: Any) -> tuple[list[th.Tensor], dict[str, Any], Any]:
    batch = trainer.collector.last
    rollout = {"observations": batch.obs, "actions": batch.actions, "rewards": batch.rewards}
    policy = trainer.algorithm.policy
    return [*networks(policy.actor), *networks(policy.critic)], rollout, trainer.collector._collector._obs


@pytest.mark.parametrize(("side", "of"), [("tianshou", of_tianshou), ("rlox", of_rlox)])
def test_an_update_is_that_of_the_single_file(side: str, of: Callable[[Any], Any]) -> None:
    """The same rollout in one minibatch, whose order then says nothing; that of the single file is that of stock."""
    arguments = {"n_steps": 64, "batch_size": 256, "n_epochs": 3, "learning_rate": 0.01, "clip_range": 0.02}
    arguments |= {"gamma": 0.9, "gae_lambda": 0.8, "ent_coef": 0.1, "vf_coef": 0.3, "max_grad_norm": 0.4}
    chosen = Setting("equal", "Pendulum-v1", 4, arguments)
    trainer = trainer_of(side, chosen)
    single: Any = SIDES["single_file"].trainer(chosen, "cpu")
    trainer.rollout()
    parameters, rollout, last = of(trainer)
    single_parameters = [*networks(single.agent.actor), *networks(single.agent.critic)]
    for theirs, mine in zip(parameters, single_parameters, strict=True):
        mine.data.copy_(theirs.data)
    for name, array in rollout.items():
        storage = getattr(single, name)
        storage.copy_(th.as_tensor(array).reshape(storage.shape))
    single.observation, single.start = th.as_tensor(last), th.zeros(4)
    with th.no_grad():
        for step in range(64):
            distribution, single.values[step] = single.agent(single.observations[step])
            single.log_probs[step] = distribution.log_prob(single.actions[step])
    single.estimate_advantages()
    single.update()
    trainer.update()
    for theirs, mine in zip(parameters, single_parameters, strict=True):
        th.testing.assert_close(theirs, mine, rtol=1e-3, atol=1e-5)


def test_tianshou_records_a_whole_rollout() -> None:
    trainer = trainer_of("tianshou", setting("B"))
    for _ in range(2):
        trainer.rollout()
        assert len(trainer.collector.buffer) == 8 * 32


def test_rlox_says_what_it_cannot() -> None:
    with pytest.raises(ValueError, match="no policy for images"):
        trainer_of("rlox", setting("D"))
    with pytest.raises(ValueError, match="not on cuda"):
        SIDES["rlox"].trainer(setting("B"), "cuda")


@pytest.mark.parametrize("side", OTHERS)
def test_an_implementation_that_is_not_installed_is_named(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = [name for name in sys.modules if name.split(".")[0] == side]
    for name in [*imported, f"benchmarks.measurements.{side}_ppo"]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, side, None)
    with pytest.raises(ModuleNotFoundError, match=side):
        SIDES[side].trainer(setting("B"), "cpu")
