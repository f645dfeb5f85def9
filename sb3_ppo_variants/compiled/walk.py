"""A walk through everything that some Python code can see, one object after the other."""

from __future__ import annotations

import pickle
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants.compiled import contents
from sb3_ppo_variants.compiled.contents import HOOKS, MISSING, OF_TORCH, Same, is_of_user, names_in
from sb3_ppo_variants.compiled.unsupported import Ended
from sb3_ppo_variants.loop.losses import LossComputation

PLAIN = (type(None), bool, int, float, complex, str, bytes, Enum, th.dtype, th.device, th.Size)
# Objects with a life of their own; which one it is counts, not what is in it.
OPAQUE = (gym.Space, gym.Env, VecEnv, BaseAlgorithm, th.optim.Optimizer, ModuleType, BuiltinFunctionType, th.Generator)
# Of these some code sees what it names.
MEMBERS = (ModuleType, BaseAlgorithm, gym.Env, VecEnv)
GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
LOSS_METHODS = tuple(name for name, value in vars(LossComputation).items() if isinstance(value, FunctionType))
LARGE, MANY = 2**20, 20_000


class Walk:
    """What was found on the way.

    ``entries`` describes every value by its name, ``effects`` what only a trace itself must leave alone. ``dicts`` and
    ``lists`` are the containers, whose contents are compared by identity; what ``reads`` return is compared by
    equality. ``hooks`` are the dictionaries of the modules' hooks. ``undo`` puts everything back.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Any] = {}
        self.effects: dict[str, Any] = {}
        self.dicts: list[Mapping[Any, Any]] = []
        self.lists: list[Iterable[Any]] = []
        self.hooks: list[Mapping[Any, Any]] = []
        self.reads: list[Callable[[], Any]] = [lambda: [len(hooks) for hooks in self.hooks if hooks]]
        self.undo: list[Callable[[], None]] = []
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []  # so that no other object has the identity of one that was visited

    def visit(self, name: str, value: Any) -> None:
        """Describe a value and everything that can be reached from it.

        :param name: for messages, and to compare by
        :param value: any object
        :raises Ended: when there is no end of it
        """
        if isinstance(value, PLAIN):
            self.entries[name] = value
        elif id(value) in self._names:
            self.entries.setdefault(name, ("the same as", self._names[id(value)]))
        elif len(self.entries) > MANY:
            raise Ended(f"more than {MANY:,} values can be reached from the policy and the terms, as {name}")
        else:
            self._remember(name, value)
            self._visit_by_kind(name, value)

    def _remember(self, name: str, value: Any) -> None:
        self._names[id(value)] = name
        self._kept.append(value)

    def _visit_by_kind(self, name: str, value: Any) -> None:
        for kinds, visit in self._VISITS:
            if isinstance(value, kinds):
                visit(self, name, value)
                return
        if hasattr(value, "__dict__") and type(value).__module__.split(".")[0] != "sb3_ppo_variants":
            self._visit_object(name, value)
        else:
            self._visit_opaque(name, value)
            self._visit_slots(name, value)

    # Containers and arrays.

    def _watch(self, own: MutableMapping[Any, Any]) -> None:
        self.dicts.append(own)
        self.undo.append(partial(contents.put_back, own, dict(own)))

    def _visit_dict(self, name: str, value: MutableMapping[Any, Any]) -> None:
        self.entries[name] = (type(value), len(value))
        self._watch(value)
        for key, item in list(value.items()):
            self.visit(f"{name}[{key!r}]", item)

    def _visit_sequence(self, name: str, value: Any) -> None:
        self.entries[name] = (type(value), len(value))
        if not isinstance(value, tuple):
            self.lists.append(value)
            self.undo.append(partial(contents.refill, value, list(value)))
        for index, item in enumerate(list(value)):
            self.visit(f"{name}[{index}]", item)

    def _visit_set(self, name: str, value: Any) -> None:
        self.entries[name] = frozenset(value)
        if isinstance(value, set):
            self.reads.append(partial(frozenset, value))
            self.undo.append(partial(contents.refill, value, set(value)))

    def _visit_array(self, name: str, value: np.ndarray) -> None:
        if value.nbytes > LARGE:
            self._visit_opaque(name, value)
            return
        self.entries[name] = (value.shape, value.dtype.str, value.tobytes())
        self.reads.append(value.tobytes)
        if value.flags.writeable:
            self.undo.append(partial(np.copyto, value, value.copy()))

    def _visit_tensor(self, name: str, value: th.Tensor) -> None:
        self.entries[name] = (Same(value), value._version)
        self.reads.append(lambda: value._version)

    def _visit_generator(self, name: str, value: Any) -> None:
        self._visit_opaque(name, value)
        state, put_back = contents.state_of(value)
        self.effects[name] = pickle.dumps(state)
        self.undo.append(partial(put_back, state))

    def _visit_opaque(self, name: str, value: Any) -> None:
        self.entries[name] = Same(value)

    # Objects.

    def _visit_object(self, name: str, value: Any) -> None:
        self._visit_class(name, type(value))
        self._watch(vars(value))
        for attribute, item in list(vars(value).items()):
            self.visit(f"{name}.{attribute}", item)

    def _visit_slots(self, name: str, value: Any) -> None:
        for slot in contents.slots_of(value):
            item = getattr(value, slot, MISSING)
            self.reads.append(partial(_read_slot, value, slot))
            self.undo.append(partial(setattr, value, slot, item))
            self.visit(f"{name}.{slot}", item)

    def _visit_module(self, name: str, module: th.nn.Module) -> None:
        self._visit_class(name, type(module))
        self._watch(vars(module))
        for attribute, item in list(vars(module).items()):
            if attribute in ("_parameters", "_buffers", "_modules"):
                self._watch(item)
                visit = self.visit if attribute == "_modules" else self._visit_weight
                for key, part in item.items():
                    visit(f"{name}.{key}", part)
            elif attribute in HOOKS:
                self.entries[f"{name}.{attribute}"] = len(item)
                self.hooks.append(item)
            elif attribute not in OF_TORCH:
                self.visit(f"{name}.{attribute}", item)

    def _visit_weight(self, name: str, tensor: th.Tensor | None) -> None:
        if tensor is None or id(tensor) in self._names:
            self.visit(name, tensor)
            return
        self._remember(name, tensor)
        self.entries[name] = contents.kind_of_weight(tensor)
        self.effects[name] = Same(tensor)
        self.reads.append(partial(contents.kind_of_weight, tensor))

    def _visit_distribution(self, name: str, distribution: Distribution) -> None:
        self._visit_class(name, type(distribution))
        own = vars(distribution)
        self.undo.append(partial(contents.put_back, own, dict(own)))
        kept = contents.lasting(distribution)
        self.reads.append(lambda: {key: Same(item) for key, item in contents.lasting(distribution).items()})
        for attribute, item in kept.items():
            self.visit(f"{name}.{attribute}", item)

    def _visit_model(self, name: str, model: LossComputation) -> None:
        """The methods that the losses are made of, and the attributes that those of a user's subclass name."""
        self._visit_class(name, type(model))
        own = vars(model)
        self.reads.append(partial(_methods, model))
        for method, function in zip(LOSS_METHODS, _methods(model), strict=True):
            self.visit(f"{name}.{method}", function)
            self._visit_names(name, own, contents.names_below(type(model), function))

    # Code.

    def _visit_function(self, name: str, function: FunctionType) -> None:
        code, known = function.__code__, function.__globals__
        self.entries[name] = Same(code)
        if not is_of_user(function):
            return
        self.reads.append(lambda: tuple(map(Same, (function.__code__, function.__defaults__, function.__kwdefaults__))))
        self.visit(f"{name}.__defaults__", function.__defaults__)
        self.visit(f"{name}.__kwdefaults__", function.__kwdefaults__)
        for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self._visit_cell(f"{variable} in {name}", cell)
            if cell != CellType():
                self._visit_members(variable, cell.cell_contents, contents.chains_from(code, variable))
        self._visit_dict(f"{name}.__dict__", vars(function))
        names = names_in(code)
        self._visit_names(known.get("__name__", function.__module__), known, names)
        for word, owner in [(word, known.get(word)) for word in names]:
            if isinstance(owner, ModuleType) and not contents.is_library(owner):
                self._visit_names(owner.__name__, vars(owner), names)
            self._visit_members(word, owner, contents.chains_from(code, word))

    def _visit_members(self, variable: str, owner: Any, chains: Iterable[tuple[str, ...]]) -> None:
        """What some code reads from modules, models and environments, whose other contents it does not see."""
        if not isinstance(owner, MEMBERS) or contents.is_library(owner):
            return
        name = owner.__name__ if isinstance(owner, ModuleType) else self._names.get(id(owner), variable)
        for first, *rest in chains:
            self._visit_names(name, vars(owner), [first])
            if rest:
                self._visit_members(f"{name}.{first}", vars(owner).get(first), [tuple(rest)])

    def _visit_cell(self, name: str, cell: CellType) -> None:
        try:
            item = cell.cell_contents
        except ValueError:  # of a variable that has no value yet
            return
        self.reads.append(lambda: Same(cell.cell_contents))
        self.undo.append(partial(setattr, cell, "cell_contents", item))
        self.visit(name, item)

    def _visit_names(self, name: str, namespace: MutableMapping[str, Any], words: Iterable[str]) -> None:
        for word in words:
            if word in namespace and f"{name}.{word}" not in self.entries:
                item = namespace[word]
                self.reads.append(partial(_read, namespace, word))
                self.undo.append(partial(namespace.__setitem__, word, item))
                self.visit(f"{name}.{word}", item)

    def _visit_method(self, name: str, method: MethodType) -> None:
        self.visit(f"{name}.__func__", method.__func__)
        self.visit(f"{name}.__self__", method.__self__)

    def _visit_partial(self, name: str, value: partial[Any]) -> None:
        for part in ("func", "args", "keywords"):
            self.visit(f"{name}.{part}", getattr(value, part))

    def _visit_class(self, name: str, kind: type) -> None:
        self.entries[name] = Same(kind)
        for base in filter(is_of_user, kind.__mro__):
            if self._names.get(id(base), name) == name:
                self._remember(base.__qualname__, base)
                self._visit_body(base)

    def _visit_body(self, kind: type) -> None:
        own = {name: item for name, item in vars(kind).items() if not name.startswith("__") or name == "__call__"}
        self.dicts.append(vars(kind))
        self.undo.append(partial(contents.put_back_class, kind, own))
        for name, item in own.items():
            function = getattr(item, "fget", None) or getattr(item, "__func__", item)
            self.visit(f"{kind.__qualname__}.{name}", function)

    _VISITS: tuple[tuple[Any, Callable[[Walk, str, Any], None]], ...] = (
        (th.nn.Module, _visit_module),
        (th.Tensor, _visit_tensor),
        (np.ndarray, _visit_array),
        (GENERATORS, _visit_generator),
        (LossComputation, _visit_model),
        (OPAQUE, _visit_opaque),
        (Distribution, _visit_distribution),
        (dict, _visit_dict),
        ((list, tuple, deque), _visit_sequence),
        ((set, frozenset), _visit_set),
        (FunctionType, _visit_function),
        (MethodType, _visit_method),
        (partial, _visit_partial),
        (type, _visit_class),
    )


def _methods(model: LossComputation) -> tuple[Any, ...]:
    own, kind = vars(model), type(model)
    return tuple(own[name] if name in own else getattr(kind, name) for name in LOSS_METHODS)


def _read(namespace: Mapping[str, Any], word: str) -> Same:
    return Same(namespace.get(word, MISSING))


def _read_slot(value: Any, slot: str) -> Same:
    return Same(getattr(value, slot, MISSING))
