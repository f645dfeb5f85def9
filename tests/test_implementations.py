"""Libraries that speed is compared with do as much as stock PPO; each test needs the library that it is about."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch as th

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

from measurements.settings import Setting, setting
from measurements.sides import OTHERS, SIDES, STOCK

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
    for name in [*imported, f"measurements.{side}_ppo"]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, side, None)
    with pytest.raises(ModuleNotFoundError, match=side):
        SIDES[side].trainer(setting("B"), "cpu")
