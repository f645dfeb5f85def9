"""The same numbers in less time: one call of Adam for all parameters, distributions without checks of arguments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from types import FunctionType, MethodType
from typing import Any

import torch as th
from torch.distributions import Distribution

from sb3_ppo_variants.loop.rollout import STOCK_PACKAGES


def foreach_steps(optimizer: th.optim.Optimizer) -> AbstractContextManager[None]:
    """Let Adam step all parameters together within the block: the same numbers bit for bit.

    :param optimizer: any; others than a plain Adam are left as they are
    """
    return _steps_by(optimizer, "foreach")


def fused_steps(optimizer: th.optim.Optimizer) -> AbstractContextManager[None]:
    """Let Adam step in one pass over the memory within the block: the same numbers within rounding.

    :param optimizer: any; parameters on another device than a CPU are stepped together
    """
    devices = {parameter.device.type for group in optimizer.param_groups for parameter in group["params"]}
    return _steps_by(optimizer, "fused" if devices == {"cpu"} else "foreach")


@contextmanager
def _steps_by(optimizer: th.optim.Optimizer, implementation: str) -> Iterator[None]:
    # The setting is part of the optimiser's state and would be saved with the model, so it holds only within the block.
    plain = type(optimizer) is th.optim.Adam
    groups = [group for group in optimizer.param_groups if plain and group["foreach"] is None and not group["fused"]]
    before = [group[implementation] for group in groups]
    for group in groups:
        group[implementation] = True
    try:
        yield
    finally:
        for group, setting in zip(groups, before, strict=True):
            group[implementation] = setting


@contextmanager
def without_validation(policy: Any) -> Iterator[None]:
    """Make the policy's action distributions without torch's checks of their arguments.

    The checks take time and end a trace. torch's own switch is an attribute of a class, so it would hold for every
    thread of the process; this one holds for one policy. A distribution that SB3's ``proba_distribution`` does not
    make keeps its checks.

    :param policy: its ``action_dist`` makes the distributions
    """
    action_dist: Any = getattr(policy, "action_dist", None)
    make = getattr(type(action_dist), "proba_distribution", None)
    if not isinstance(make, FunctionType) or "proba_distribution" in vars(action_dist):
        yield
        return
    action_dist.proba_distribution = MethodType(_unchecked(make), action_dist)
    try:
        yield
    finally:
        del action_dist.proba_distribution


def _is_known(kind: type) -> bool:
    return kind.__module__.split(".")[0] in ("torch", *STOCK_PACKAGES)


class _WithoutChecks(type):
    """Of a class that makes distributions of its base, and is its base for ``isinstance``."""

    @property
    def _made(cls) -> Any:
        return cls.__base__

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._made(*args, **{"validate_args": False, **kwargs})

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls._made)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls._made)


@cache
def _without_checks(kind: Any) -> type:
    return _WithoutChecks(kind.__name__, (kind,), {})


def _unchecked(function: FunctionType) -> FunctionType:
    """The same code, in which the distributions of torch and of sb3-contrib are given ``validate_args=False``.

    A user's subclass keeps its checks: its constructor may not take the argument.
    """
    unchecked = {
        name: _without_checks(value)  # type: ignore[arg-type]
        for name, value in function.__globals__.items()
        if isinstance(value, type) and issubclass(value, Distribution) and _is_known(value)
    }
    names = {**function.__globals__, **unchecked}
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
