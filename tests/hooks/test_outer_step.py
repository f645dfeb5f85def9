from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch as th

from sb3_ppo_variants import RecurrentVariantPPO, UpdateHook, VariantPPO
from sb3_ppo_variants.hooks.outer_step import OuterStep
from tests.compiled.conftest import needs_gpu
from tests.environments import SpacesEnv
from tests.models import SMALL, logged, same_weights


def one_weight(weight: float, **arguments: float) -> Any:
    policy = th.nn.Linear(1, 1, bias=False)
    th.nn.init.constant_(policy.weight, weight)
    return SimpleNamespace(policy=policy, hook_state={}, **arguments)


def move(model: Any, to: float) -> float:
    update = SimpleNamespace()
    with OuterStep().around_update(model, update):
        th.nn.init.constant_(model.policy.weight, to)
    return float(model.policy.weight.detach())


def test_a_longer_step() -> None:
    model = one_weight(1.0, outer_step=1.5, outer_momentum=0.0)
    assert move(model, 3.0) == 4.0  # 1 + 1.5 (3 - 1)
    assert move(model, 3.0) == 2.5  # 4 + 1.5 (3 - 4)
    assert model.hook_state == {}


def test_momentum() -> None:
    model = one_weight(1.0, outer_step=1.5, outer_momentum=0.5)
    assert move(model, 3.0) == 4.0  # m = 2
    assert move(model, 5.0) == 7.0  # m = 0.5 * 2 + 1 = 2, 4 + 1.5 * 2
    assert model.hook_state["outer_momentum"]["weight"].item() == 2.0


def test_the_first_update_of_a_model_goes_on_by_half() -> None:
    def make(**arguments: Any) -> VariantPPO:
        return VariantPPO("MlpPolicy", SpacesEnv(), log_kl=True, **SMALL, **arguments)

    start, plain, outer = make(), make().learn(32), make(outer_step=1.5).learn(32)
    for before, inner, after in zip(*(model.policy.parameters() for model in (start, plain, outer)), strict=True):
        assert th.equal(after, before + 1.5 * (inner - before))
    # 1.5 squared, as the divergence grows by the square of a small step.
    assert logged(outer)["train/kl"] / logged(plain)["train/kl"] == pytest.approx(2.25, rel=0.1)


def test_a_stop_after_an_epoch_does_not_hide_the_outer_step_from_the_kl() -> None:
    arguments: dict[str, Any] = SMALL | {"stop": {"kl": 1e3}, "log_kl": True}
    plain, outer = (VariantPPO("MlpPolicy", SpacesEnv(), outer_step=step, **arguments).learn(32) for step in (1.0, 2.0))
    assert logged(outer)["train/kl"] > 2 * logged(plain)["train/kl"]


def test_the_step_of_ppo_is_nothing() -> None:
    plain = VariantPPO("MlpPolicy", SpacesEnv(), **SMALL).learn(64)
    assert same_weights(VariantPPO("MlpPolicy", SpacesEnv(), outer_step=1, **SMALL).learn(64), plain)


@pytest.mark.parametrize("cls", [VariantPPO, RecurrentVariantPPO])
def test_momentum_is_saved(cls: Any, tmp_path: Any) -> None:
    policy = "MlpPolicy" if cls is VariantPPO else "MlpLstmPolicy"
    model = cls(policy, SpacesEnv(), outer_momentum=0.5, **SMALL).learn(64)
    model.save(tmp_path / "model.zip")
    loaded = cls.load(tmp_path / "model.zip").hook_state["outer_momentum"]
    kept = model.hook_state["outer_momentum"]
    assert kept.keys() == loaded.keys() == dict(model.policy.named_parameters()).keys()
    assert all(th.equal(kept[name], loaded[name]) for name in kept)
    cls.stock.load(tmp_path / "model.zip")


@needs_gpu
def test_the_momentum_of_a_gpu_can_be_loaded_without_one() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), outer_momentum=0.5, device="cuda", **SMALL).learn(64)
    kept = model.hook_state["outer_momentum"]
    assert {tensor.device.type for tensor in kept.values()} == {"cpu"}


class Fails(UpdateHook):
    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        if epoch == 1 and model.num_timesteps == 64:
            raise RuntimeError("in the middle")


def test_an_update_left_in_the_middle_keeps_the_momentum() -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(), outer_momentum=0.5, hooks=[Fails()], **SMALL).learn(32)
    momentum = model.hook_state["outer_momentum"]
    weights = {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}
    with pytest.raises(RuntimeError, match="in the middle"):
        model.learn(32, reset_num_timesteps=False)
    assert model.hook_state["outer_momentum"] is momentum
    assert all(th.equal(tensor, weights[name]) for name, tensor in model.policy.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outer_step": 0.0}, r"outer_step=0.0 is not allowed: a finite number in \(0.0"),
        ({"outer_step": float("inf")}, "outer_step=inf is not allowed"),
        ({"outer_momentum": 1.0}, r"outer_momentum=1.0 is not allowed: a number in \[0.0, 0.999\]"),
        ({"outer_momentum": "much"}, "outer_momentum='much' is not allowed"),
    ],
)
def test_bad_values_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VariantPPO("MlpPolicy", SpacesEnv(), **SMALL, **arguments)


def test_only_trained_parameters_move() -> None:
    """A frozen layer stays, whatever its momentum was, and a constant of minus infinity does not become NaN."""
    model = one_weight(1.0, outer_step=1.5, outer_momentum=0.5)
    assert move(model, 3.0) == 4.0
    model.policy.weight.requires_grad_(False)
    model.policy.masked = th.nn.Parameter(th.tensor(-th.inf), requires_grad=False)
    with OuterStep().around_update(model, SimpleNamespace()):
        pass
    assert (model.policy.weight.item(), model.policy.masked.item()) == (4.0, -th.inf)


def test_no_momentum_is_kept_for_later() -> None:
    model = one_weight(1.0, outer_step=1.5, outer_momentum=0.5)
    move(model, 3.0)
    assert model.hook_state
    model.outer_momentum = 0.0
    move(model, 3.0)
    assert not model.hook_state
