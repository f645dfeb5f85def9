"""A snapshot notices everything that code can see."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch as th

from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.compiled.snapshot import Snapshot, policy_roots
from sb3_ppo_variants.compiled.unsupported import Ended
from tests.environments import SpacesEnv
from tests.models import SMALL

LEVEL = 1


def with_default(value: Any = 1.0) -> Any:
    return value, LEVEL


class Slotted:
    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = 1


class Leveled:
    level = 1

    def read(self) -> int:
        return self.level


def counter() -> tuple[Callable[[], int], Callable[[], None]]:
    count = 0

    def read() -> int:
        return count

    def add() -> None:
        nonlocal count
        count += 1

    return read, add


def set_global_level() -> None:
    global LEVEL
    LEVEL += 1


def with_attribute() -> Any:
    return vars(with_attribute)["scale"]


OUTER, INNER = ModuleType("outer"), ModuleType("inner")
vars(OUTER)["inner"], vars(INNER)["scale"] = INNER, 1.0
ENV = SpacesEnv()
vars(ENV)["scale"] = 1.0


def of_a_module_in_a_module() -> Any:
    return OUTER.inner.scale


def of_an_environment() -> Any:
    return ENV.scale  # type: ignore[attr-defined]


def of_an_environment_in_a_closure(env: Any) -> Callable[[], Any]:
    return lambda: env.scale


class WithArguments(th.nn.Module):
    """Its attributes have names like those of torch's own."""

    def __init__(self) -> None:
        super().__init__()
        self.block_kwargs, self.my_hooks = {"scale": 1.0}, [1.0]


READ, ADD = counter()
CHANGES: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "attribute": (SimpleNamespace(a=1.0), lambda it: setattr(it, "a", 2.0)),
    "new attribute": (SimpleNamespace(a=1.0), lambda it: setattr(it, "b", 1.0)),
    "dictionary": ({"a": {"b": 1}}, lambda it: it["a"].update(b=2)),
    "key": ({"fast": True}, lambda it: it.update(slow=it.pop("fast"))),
    "list": ([1, [2]], lambda it: it[1].append(3)),
    "list in a tuple": (([1],), lambda it: it[0].append(3)),
    "deque": (deque([1]), lambda it: it.append(2)),
    "set": ({1}, lambda it: it.add(2)),
    "array": (np.zeros(3), lambda it: it.fill(1.0)),
    "tensor": (SimpleNamespace(a=th.zeros(3)), lambda it: it.a.fill_(1.0)),
    "slot": (Slotted(), lambda it: setattr(it, "level", 2)),
    "class": (Leveled(), lambda it: setattr(Leveled, "level", Leveled.level + 1)),
    "method": (Leveled(), lambda it: setattr(Leveled, "read", lambda self: 0)),
    "closure": (READ, lambda it: ADD()),
    "argument of a partial function": (partial(with_default, value=[1.0]), lambda it: it.keywords["value"].append(1)),
    "global name": (with_default, lambda it: set_global_level()),
    "default": (with_default, lambda it: setattr(with_default, "__defaults__", (2.0,))),
    "attribute of a function": (with_attribute, lambda it: vars(it).update(scale=2.0)),
    "module in a module": (of_a_module_in_a_module, lambda it: setattr(INNER, "scale", 2.0)),
    "environment": (of_an_environment, lambda it: setattr(ENV, "scale", 2.0)),
    "environment in a closure": (of_an_environment_in_a_closure(ENV), lambda it: setattr(ENV, "scale", 3.0)),
    "module": (th.nn.Dropout(0.1), lambda it: setattr(it, "p", 0.2)),
    "attribute named like torch's": (WithArguments(), lambda it: it.block_kwargs.update(scale=2.0)),
    "another one": (WithArguments(), lambda it: it.my_hooks.append(2.0)),
    "mode": (th.nn.Dropout(0.1), lambda it: it.eval()),
    "hook": (th.nn.Dropout(0.1), lambda it: it.register_forward_hook(print)),
    "trained": (th.nn.Linear(1, 1), lambda it: it.weight.requires_grad_(False)),
    "layer": (th.nn.Sequential(th.nn.Tanh()), lambda it: it.append(th.nn.Tanh())),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_is_noticed_and_named(case: str) -> None:
    value, change = CHANGES[case]
    roots = {"it": value}
    before = Snapshot(roots)
    assert before.holds(roots)
    assert before.key == Snapshot(roots).key
    change(value)
    assert not before.holds(roots)
    after = Snapshot(roots)
    assert before.key != after.key
    assert before.changes(after)


def test_weights_are_no_part_of_it() -> None:
    layer = th.nn.BatchNorm1d(2)
    roots = {"it": layer}
    before = Snapshot(roots)
    layer(th.randn(3, 2)).sum().backward()
    layer.load_state_dict(th.nn.BatchNorm1d(2).state_dict())
    assert before.holds(roots)
    layer.weight = th.nn.Parameter(th.ones(2))
    after = Snapshot(roots)
    assert before.key == after.key
    assert before.changes(after, effects=True) == ["it.weight"]


@pytest.mark.parametrize("action", ["box", "multidiscrete"])
def test_training_leaves_it_as_it_is(action: str) -> None:
    model = VariantPPO("MlpPolicy", SpacesEnv(action=action), use_sde=action == "box", **SMALL).learn(32)
    roots = policy_roots(model.policy) | {"model": model}
    before = Snapshot(roots)
    model.learn(32)
    assert before.holds(roots)


class HuberValue(VariantPPO):
    delta = 1.0

    def value_loss(self, returns: th.Tensor, values: th.Tensor) -> th.Tensor:
        return th.nn.functional.huber_loss(values, returns, delta=self.delta)


class HuberValueWithParts(VariantPPO):
    delta = 1.0

    @property
    def half(self) -> float:
        return self.delta / 2

    def helper(self, returns: th.Tensor, values: th.Tensor) -> th.Tensor:
        return th.nn.functional.huber_loss(values, returns, delta=2 * self.half)

    def value_loss(self, returns: th.Tensor, values: th.Tensor) -> th.Tensor:
        return self.helper(returns, values)


@pytest.mark.parametrize("cls", [HuberValue, HuberValueWithParts])
def test_an_attribute_that_the_losses_of_a_subclass_name(cls: Any) -> None:
    model = cls("MlpPolicy", SpacesEnv(), **SMALL)
    model.delta = 2.0
    before = Snapshot({"model": model})
    model.num_timesteps += 1
    assert before.holds({"model": model})
    model.delta = 3.0
    assert before.changes(Snapshot({"model": model})) == ["model.delta"]


class Counting(VariantPPO):
    """Has a method of the name of one of torch's, which the losses do not call."""

    def log(self) -> None:
        print(self.num_timesteps)

    def value_loss(self, returns: th.Tensor, values: th.Tensor) -> th.Tensor:
        return (1 + (returns - values).abs()).log().mean()


def test_only_what_code_reads_of_an_object_is_followed() -> None:
    model = Counting("MlpPolicy", SpacesEnv(), **SMALL)

    def weighted(surrogate: th.Tensor, minibatch: Any) -> th.Tensor:
        return surrogate * ENV.number * minibatch.samples.returns  # type: ignore[attr-defined,no-any-return]

    vars(ENV).update(number=1.0, returns=1.0)
    roots = {"model": model, "term": weighted}
    before = Snapshot(roots)
    vars(ENV)["returns"] = 2.0  # as VecNormalize has them
    model.num_timesteps += 1
    assert before.holds(roots)
    vars(ENV)["number"] = 2.0
    assert before.changes(Snapshot(roots))


def test_too_much_is_not_looked_at() -> None:
    with pytest.raises(Ended, match="more than 20,000 values"):
        Snapshot({"it": [[number] for number in range(20_001)]})
