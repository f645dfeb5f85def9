from __future__ import annotations

import inspect
import pydoc
from typing import Any

from stable_baselines3 import PPO

from sb3_ppo_variants import AdaptiveClipPPO, DualClipPPO, RecurrentVariantPPO, VariantPPO
from tests.contract.classes import CLASSES, each_class, policy_name
from tests.environments import SpacesEnv


@each_class
def test_the_arguments_of_the_stock_class_come_first_with_their_defaults(cls: Any) -> None:
    stock = inspect.signature(cls.stock).parameters
    own = list(inspect.signature(cls).parameters.values())[: len(stock)]
    changed = {p.name: (p.default, p.annotation) for p in own if p != stock[p.name]}
    assert [p.name for p in own] == list(stock)
    assert changed == {name: (stock[name].default, "float | Schedule | str") for name in ("ent_coef", "vf_coef")}


@each_class
def test_what_the_constructor_shows_is_what_it_takes(cls: Any) -> None:
    shown = inspect.signature(cls).parameters.values()
    arguments = {p.name: p.default for p in shown if p.default is not p.empty}
    cls(policy_name(cls.stock), SpacesEnv(action="discrete"), **{**arguments, "device": "cpu"})


def test_keyword_arguments_of_this_package() -> None:
    def added(cls: Any) -> list[str]:
        return [p.name for p in inspect.signature(cls).parameters.values() if p.kind is not p.POSITIONAL_OR_KEYWORD]

    of_hooks = ["outer_step", "outer_momentum", "reset_adam_step", "recompute_advantages", "rpo_noise"]
    of_all = ["regularizers", "hooks", "vf_learning_rate"]
    assert added(VariantPPO) == [
        "objective", "adapt", "stop", *of_all, "log_kl", "compile", *of_hooks, "coefficients",
    ]  # fmt: skip
    assert added(RecurrentVariantPPO) == added(VariantPPO)
    assert added(DualClipPPO) == ["dual_clip", "log_kl", "adapt", "stop", *of_all, "compile", *of_hooks]
    assert added(AdaptiveClipPPO) == [
        "desired_kl", "desired_clip_fraction", "clip_range_bounds", "log_kl", "adapt", "stop", *of_all, "compile",
        *of_hooks,
    ]  # fmt: skip


class Mine(VariantPPO):
    """A subclass with an argument."""

    def __init__(self, *args: Any, price: float = 2.0, **kwargs: Any) -> None:
        self.price = price
        super().__init__(*args, **kwargs)


class Closed(VariantPPO):
    """A subclass that passes nothing on."""

    def __init__(self, policy: str, env: str, price: float = 2.0, _init_setup_model: bool = True) -> None:
        super().__init__(policy, env, _init_setup_model=_init_setup_model)


def test_subclasses() -> None:
    parameters = inspect.signature(Mine).parameters
    assert parameters["price"].default == 2.0
    assert list(parameters)[: len(inspect.signature(PPO).parameters)] == list(inspect.signature(PPO).parameters)
    assert {"objective", "compile"} < set(parameters)
    assert list(inspect.signature(Closed).parameters) == ["policy", "env", "price", "_init_setup_model"]


def test_help_shows_the_defaults() -> None:
    text = pydoc.plain(pydoc.render_doc(DualClipPPO)).replace("\n", " ")
    assert "clip_range" in text.split("Method resolution order")[0]
    assert "dual_clip: 'float | Schedule | str' = 3.0" in text


def test_every_class_has_a_signature_of_its_own() -> None:
    assert all("__signature__" in vars(cls) for cls in CLASSES)


def test_a_named_class_does_not_show_what_it_has_decided() -> None:
    parameters = inspect.signature(DualClipPPO).parameters
    assert "objective" not in parameters
    assert {"adapt", "stop"} < set(parameters)
