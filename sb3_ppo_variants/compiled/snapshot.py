"""What a trace takes for granted: every value, type and structure that the traced Python code can see.

A trace is right only for the state that it was made in. A snapshot walks through the objects that the code reads (the
policy with its modules, the terms, and, for code outside torch and SB3, the classes, closures and global names) and
keeps three things: a description of what it found, which another snapshot is compared with; the very values in every
container, so that a look at all of them tells in some microseconds that nothing has changed; and a way to put back what
has.

The numbers in parameters and buffers are no part of it: they are inputs of a trace.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import is_, methodcaller
from typing import Any

import numpy as np
import torch as th
from torch.nn.modules import module as hooks_of_all_modules

from sb3_ppo_variants.compiled.contents import MISSING
from sb3_ppo_variants.compiled.unsupported import Ended
from sb3_ppo_variants.compiled.walk import Walk

_values = methodcaller("values")


class Snapshot:
    """The state of some objects.

    :param roots: name to object
    :raises Ended: when they hold more than can be looked at, or cannot be looked at
    """

    def __init__(self, roots: Mapping[str, Any]) -> None:
        walk = Walk()
        try:
            for name, root in roots.items():
                walk.visit(name, root)
            hash(tuple(walk.entries.items()))
        except Exception as error:
            raise Ended(f"what the policy and the terms hold cannot be looked at: {error}") from error
        self._roots = tuple(roots.values())
        self._walk = walk
        self._contents = self._read()
        self._states = [read() for read in walk.reads]

    @property
    def key(self) -> tuple[tuple[str, Any], ...]:
        """Equal for two snapshots of states in which the same trace is right."""
        return tuple(self._walk.entries.items())

    def holds(self, roots: Mapping[str, Any]) -> bool:
        """Whether nothing has changed since; a change to an equal value counts as one.

        :param roots: as they are now
        """
        same_roots = len(roots) == len(self._roots) and all(map(is_, roots.values(), self._roots))
        if not same_roots or [read() for read in self._walk.reads] != self._states:
            return False
        contents = self._read()
        return len(contents) == len(self._contents) and all(map(is_, contents, self._contents))

    def changes(self, later: Snapshot, *, effects: bool = False) -> list[str]:
        """The names of what another snapshot of the same objects describes in another way.

        :param later: the other one
        :param effects: whether to look also at what changes without making another trace necessary: which tensors the
            parameters and buffers are, and the state of random generators
        """
        pairs = [(self._walk.entries, later._walk.entries)]
        if effects:
            pairs.append((self._walk.effects, later._walk.effects))
        return [name for one, other in pairs for name in one | other if not _same(one, other, name)]

    def restore(self) -> None:
        """Put back everything that has changed since."""
        for undo in self._walk.undo:
            undo()

    def _read(self) -> Sequence[Any]:
        dicts, lists = self._walk.dicts, self._walk.lists
        flat = chain.from_iterable
        return [*flat(map(_values, dicts)), *flat(dicts), *flat(lists)]


def _same(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    mine, theirs = one.get(name, MISSING), other.get(name, MISSING)
    return mine is theirs or bool(mine == theirs)


def policy_roots(policy: Any) -> dict[str, Any]:
    """Everything that the code of a policy can see: the policy, and what is one for the whole process.

    :param policy: of an SB3 or sb3-contrib algorithm
    """
    return {
        "policy": policy,
        "numpy's random generator": np.random.mtrand._rand,
        "Python's random generator": _PYTHON_GENERATOR,
        **_HOOKS_OF_ALL_MODULES,
    }


# The generator that the functions of `random` draw from.
_PYTHON_GENERATOR: Any = getattr(random.random, "__self__")  # noqa: B009
_HOOKS_OF_ALL_MODULES = {
    f"torch.nn.modules.module.{name}": value
    for name, value in vars(hooks_of_all_modules).items()
    if name.startswith(("_global_forward", "_global_backward"))
}


def torch_settings() -> tuple[Any, ...]:
    """The settings of torch that a trace takes for granted."""
    return (
        th.get_num_threads(),
        th.get_default_dtype(),
        th.is_autocast_enabled("cpu"),
        th.is_autocast_enabled("cuda"),
        th.are_deterministic_algorithms_enabled(),
        th.get_float32_matmul_precision(),
    )
