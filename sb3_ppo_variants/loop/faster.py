"""The same numbers in less time: one call of Adam for all parameters, distributions without checks of arguments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import torch as th
from torch.distributions import Distribution


@contextmanager
def foreach_steps(optimizer: th.optim.Optimizer) -> Iterator[None]:
    """Let Adam step all parameters together: the same numbers bit for bit.

    The setting is part of the optimiser's state and would be saved with the model, so it holds only within the block.

    :param optimizer: any; others than a plain Adam are left as they are
    """
    plain = type(optimizer) is th.optim.Adam
    groups = [group for group in optimizer.param_groups if plain and group["foreach"] is None and not group["fused"]]
    for group in groups:
        group["foreach"] = True
    try:
        yield
    finally:
        for group in groups:
            group["foreach"] = None


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


def _unchecked(function: FunctionType) -> FunctionType:
    """The same code, in which every class of torch's distributions is given ``validate_args=False``."""
    unchecked = {
        name: partial(value, validate_args=False)
        for name, value in function.__globals__.items()
        if isinstance(value, type) and issubclass(value, Distribution)
    }
    names = {**function.__globals__, **unchecked}
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
