"""An update that does not come to its end leaves everything as it was before."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch as th
from stable_baselines3.common.policies import ActorCriticPolicy

from sb3_ppo_variants import Minibatch, Term, VariantPPO
from sb3_ppo_variants.feedback import Rule, State
from sb3_ppo_variants.rules import RULES
from tests.environments import SpacesEnv
from tests.models import BAND, SMALL, logged, same_weights

ADAPT: dict[str, Any] = {"clip_range": {**BAND, "target": 1e-9, "follow": "approx_kl"}}


class Ends:
    """Once armed, a term that ends an update at its third minibatch, or when it is logged."""

    def __init__(self, error: type[BaseException], where: str) -> None:
        self.error, self.where = error, where
        self.calls = 0
        self.armed = False

    def term(self) -> Term:
        return Term("ends", self._surrogate, log=self._log)

    def _surrogate(self, surrogate: th.Tensor, minibatch: Minibatch) -> th.Tensor:
        self.calls += self.armed
        if self.armed and self.where == "step" and self.calls == 3:
            raise self.error
        return surrogate

    def _log(self, minibatch: Minibatch) -> dict[str, th.Tensor]:
        if self.where == "log" and self.armed:
            raise self.error
        return {}


def everything(model: VariantPPO) -> dict[str, Any]:
    return copy.deepcopy(
        {
            "weights": model.policy.state_dict(),
            "optimizer": model.policy.optimizer.state_dict(),
            "training": model.policy.training,
            "updates": model._n_updates,
            "rules": model.adaptive_state,
            "hooks": model.hook_state,
            "returns": model._finished_returns,
            "log": logged(model),
        }
    )


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return th.equal(one, other) if isinstance(one, th.Tensor) else bool(one == other)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
@pytest.mark.parametrize("where", ["step", "log"])
def test_an_update_left_in_the_middle(error: type[BaseException], where: str, tmp_path: Path) -> None:
    ends = Ends(error, where)
    parts: dict[str, Any] = {"objective": ["clip", ends.term()], "regularizers": "churn", "adapt": ADAPT}
    model = VariantPPO("MlpPolicy", SpacesEnv(), **parts, **SMALL).learn(64)
    model._finished_returns = [1.0, 2.0]
    before = everything(model)
    assert before["rules"]["clip_range"]["updates"] == 2.0
    ends.armed = True
    with pytest.raises(error):
        model.train()
    assert same(everything(model), before)
    ends.armed = False
    model.train()
    assert model._n_updates == 6
    model.save(tmp_path / "model.zip")
    assert same_weights(VariantPPO.load(tmp_path / "model.zip"), model)


def test_a_rule_that_fails_after_another_has_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(state: State, measured: float, *, direction: int) -> State:
        raise ZeroDivisionError

    monkeypatch.setitem(RULES, "broken", Rule("broken", broken, arguments=()))
    second = {"rule": "broken", "follow": "approx_kl", "low": 1e-6, "high": 1.0}
    model = VariantPPO("MlpPolicy", SpacesEnv(), adapt=ADAPT | {"learning_rate": second}, **SMALL)
    with pytest.raises(ZeroDivisionError):
        model.learn(32)
    assert model.adaptive_state["clip_range"] == {"multiplier": 1.0, "updates": 0.0, "updates_at_bound": 0.0}
    assert model._n_updates == 0


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (lambda surrogate: surrogate.mean(), r"late must return one value per sample, shape \(16,\) here, not \(\)"),
        (lambda surrogate: surrogate.detach(), "late returns a surrogate without gradient"),
    ],
)
def test_a_term_that_breaks_its_promise_later(spoilt: Any, message: str) -> None:
    calls = [0]

    def late(surrogate: th.Tensor, minibatch: Minibatch) -> th.Tensor:
        calls[0] += 1
        return spoilt(surrogate) if calls[0] == 6 else surrogate

    model = VariantPPO("MlpPolicy", SpacesEnv(), objective=["clip", late], **SMALL)
    before = everything_but_the_log(model)
    with pytest.raises(ValueError, match=message):
        model.learn(32)
    assert same(everything_but_the_log(model), before)


def everything_but_the_log(model: VariantPPO) -> dict[str, Any]:
    return copy.deepcopy({"weights": model.policy.state_dict(), "rules": model.adaptive_state})


def test_a_frozen_actor_trains_its_critic() -> None:
    """Its surrogate has no gradient, as in SB3, and that is no fault of a term."""
    model = VariantPPO("MlpPolicy", SpacesEnv(), **SMALL)
    for name, parameter in model.policy.named_parameters():
        parameter.requires_grad_("value" in name)
    before = model.policy.value_net.weight.detach().clone()
    model.learn(32)
    assert not th.equal(model.policy.value_net.weight, before)


class Secretive(ActorCriticPolicy):
    """Leaves a layer out of its ``state_dict``."""

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return {name: item for name, item in super().state_dict(*args, **kwargs).items() if "action_net" not in name}


def test_what_a_state_dict_leaves_out_is_put_back_too() -> None:
    ends = Ends(RuntimeError, "step")
    model = VariantPPO(Secretive, SpacesEnv(), objective=["clip", ends.term()], **SMALL)
    before = model.policy.action_net.weight.detach().clone()
    ends.armed = True
    with pytest.raises(RuntimeError):
        model.learn(32)
    assert th.equal(model.policy.action_net.weight, before)
