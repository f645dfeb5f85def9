"""Reading what is in an object, and putting it back."""

from __future__ import annotations

import dis
import random
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import cache
from types import CodeType, ModuleType
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.distributions import Distribution

# Code that is taken to stay as it is: its classes, closures and global names are not looked at.
LIBRARIES = {"torch", "numpy", "stable_baselines3", "sb3_contrib", "gymnasium", "sb3_ppo_variants"}
LIBRARIES |= sys.stdlib_module_names
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
# Of every module: its parameters, buffers, parts and hooks, which have their own ways.
OF_TORCH = frozenset(vars(th.nn.Module())) - {"training"}
MISSING = object()
READS_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
NO_OPERATION = ("CACHE", "NOP", "PUSH_NULL", "EXTENDED_ARG")


class Same:
    """Equal to another one of the same object.

    :param it: the object
    """

    __slots__ = ("it",)

    def __init__(self, it: Any) -> None:
        self.it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.it is self.it

    def __hash__(self) -> int:
        return id(self.it)


def is_of_user(code: Any) -> bool:
    """Whether a function or class is neither of a library nor of this package.

    :param code: a function or class
    """
    return str(getattr(code, "__module__", None)).split(".")[0] not in LIBRARIES


@cache
def names_in(code: CodeType) -> tuple[str, ...]:
    """The global names and attributes that some code mentions, that of functions within it included.

    :param code: of a function
    """
    inner = [name for constant in code.co_consts if isinstance(constant, CodeType) for name in names_in(constant)]
    return tuple(dict.fromkeys([*code.co_names, *inner]))


@cache
def chains_from(code: CodeType, variable: str) -> tuple[tuple[str, ...], ...]:
    """The attributes that some code reads from a variable: ``("b", "c")`` for ``a.b.c`` and the variable ``a``.

    :param code: of a function, functions within it included
    :param variable: its name
    """
    found = [
        chain
        for constant in code.co_consts
        if isinstance(constant, CodeType)
        for chain in chains_from(constant, variable)
    ]
    chain: list[str] | None = None
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name in READS_ATTRIBUTE and chain is not None:
            chain.append(instruction.argval)
        elif name not in NO_OPERATION:
            found += [tuple(chain)] if chain else []
            # Python 3.13 loads two variables at once.
            loaded = instruction.argval[-1:] if isinstance(instruction.argval, tuple) else (instruction.argval,)
            chain = [] if name.startswith("LOAD_") and loaded == (variable,) else None
    return tuple(dict.fromkeys(found))


def names_below(kind: type, method: Any) -> tuple[str, ...]:
    """The names that a user's method mentions, and those that it reads from its object by other methods and properties.

    :param kind: the class
    :param method: of it, or of an object of it
    """
    found: dict[str, None] = {}
    waiting = [method]
    while waiting:
        item = waiting.pop()
        function = getattr(item, "fget", None) or getattr(item, "__func__", item)
        if is_of_user(function) and hasattr(function, "__code__"):
            code = function.__code__
            of_self = [chain[0] for chain in chains_from(code, code.co_varnames[0])] if code.co_argcount else []
            waiting += [getattr(kind, word) for word in of_self if word not in found and hasattr(kind, word)]
            found |= dict.fromkeys(names_in(code) if item is method else of_self)
    return tuple(found)


def is_library(owner: Any) -> bool:
    """Whether something is a module that is taken to stay as it is.

    :param owner: a module or another object
    """
    return isinstance(owner, ModuleType) and owner.__name__.split(".")[0] in LIBRARIES


def slots_of(value: Any) -> list[str]:
    """The names of the slots of a user's class.

    :param value: an object without a ``__dict__``
    """
    bodies = [vars(kind).get("__slots__", ()) for kind in type(value).__mro__ if is_of_user(kind)]
    return [name for slots in bodies for name in ((slots,) if isinstance(slots, str) else slots)]


def lasting(distribution: Distribution) -> dict[str, Any]:
    """What an action distribution keeps from pass to pass.

    :param distribution: of a policy; a pass leaves tensors in it, and torch's distributions of them
    """
    return {name: item for name, item in vars(distribution).items() if not _is_of_pass(distribution, item)}


def _is_of_pass(distribution: Distribution, item: Any) -> bool:
    if isinstance(item, list):
        return all(_is_of_pass(distribution, part) for part in item)
    if item is None or isinstance(item, (th.Tensor, th.distributions.Distribution)):
        return True
    # `without_validation` puts a copy of the class's own method there.
    code = getattr(item, "__code__", None)
    return code is not None and code is getattr(type(distribution).proba_distribution, "__code__", None)


def kind_of_weight(tensor: th.Tensor) -> tuple[Any, ...]:
    """What a trace takes for granted of a parameter or buffer besides its shape: is it trained, has it hooks?

    :param tensor: a parameter or buffer
    """
    hooks: Any = tensor
    return tensor.requires_grad, bool(hooks._backward_hooks), bool(hooks._post_accumulate_grad_hooks)


def state_of(generator: Any) -> tuple[Any, Callable[[Any], None]]:
    """The state of a generator of random numbers, and what puts it back.

    :param generator: of numpy or of Python
    """
    if isinstance(generator, np.random.Generator):
        bits: Any = generator.bit_generator
        return bits.state, lambda state: setattr(bits, "state", state)
    if isinstance(generator, random.Random):
        return generator.getstate(), generator.setstate
    return generator.get_state(), generator.set_state


def of_distribution(policy: Any) -> dict[str, Any]:
    """The attributes of a policy's action distribution; none of a policy of one's own that keeps no distribution.

    :param policy: of the model
    """
    return vars(policy.action_dist) if hasattr(policy, "action_dist") else {}


def put_back(own: MutableMapping[Any, Any], contents: Mapping[Any, Any]) -> None:
    """Give a dictionary its contents back.

    :param own: the dictionary
    :param contents: a copy of them
    """
    own.clear()
    own.update(contents)


def put_back_class(kind: type, contents: Mapping[str, Any]) -> None:
    """Give a class its attributes back.

    :param kind: the class
    :param contents: a copy of them
    """
    for name, item in contents.items():
        if vars(kind).get(name, MISSING) is not item:
            setattr(kind, name, item)


def refill(own: Any, contents: Iterable[Any]) -> None:
    """Give a list, deque or set its contents back.

    :param own: the container
    :param contents: a copy of them
    """
    own.clear()
    add = own.update if isinstance(own, set) else own.extend
    add(contents)
