"""What an algorithm's constructor accepts, and how a study's plain values become its arguments."""

from __future__ import annotations

import functools
import importlib
import inspect
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import typing_extensions
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import LinearSchedule

from sb3_ppo_variants.bench.study.identity import is_hashed

SCHEDULED = ("learning_rate", "clip_range", "clip_range_vf")
# Python has it from 3.11 on.
UNPACK = (typing_extensions.Unpack, getattr(typing, "Unpack", typing_extensions.Unpack))


@dataclass(frozen=True)
class Constructor:
    """What the constructor of a class accepts.

    :param names: every argument name that can be read from signatures, ``policy``, ``env`` and ``seed`` left out
    :param defaults: the defaults among them, as JSON; those of arguments that a subclass hides too
    :param hashed: names of the defaults that belong to the identity of a run
    :param open_ended: whether names that no signature shows may be valid too (a plain ``**keywords``);
        only building the object can tell
    """

    names: tuple[str, ...]
    defaults: dict[str, Any]
    hashed: frozenset[str]
    open_ended: bool


def import_object(path: str) -> Any:
    """Import ``package.module.name``.

    :raises ImportError: when the module or the name does not exist
    """
    module, _, name = path.rpartition(".")
    if not module:
        raise ImportError(f"{path!r} is not a dotted path such as stable_baselines3.PPO")
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError as error:
        raise ImportError(f"module {module} has no {name}") from error


def import_algorithm(path: str) -> type[BaseAlgorithm]:
    """Import an SB3 algorithm class.

    :param path: dotted path such as ``stable_baselines3.PPO``
    :raises ImportError: when it cannot be imported or is not a subclass of SB3's ``BaseAlgorithm``
    """
    algorithm = import_object(path)
    if not (isinstance(algorithm, type) and issubclass(algorithm, BaseAlgorithm)):
        raise ImportError(f"{path} is not a Stable-Baselines3 algorithm class")
    return algorithm


@functools.cache
def constructor(algorithm: type[BaseAlgorithm]) -> Constructor:
    """Read the constructor's arguments along the class hierarchy, as long as ``**keywords`` passes them on."""
    names: dict[str, None] = {}
    defaults: dict[str, Any] = {}
    owners: dict[str, type] = {}
    closed_by: set[str] | None = None
    declared = _signatures(algorithm)
    for cls, parameters in declared:
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        for parameter in named:
            if parameter.default is not parameter.empty and parameter.name not in defaults:
                defaults[parameter.name], owners[parameter.name] = to_json(parameter.default), cls
        if closed_by is None:
            closed_by = _unpacked_names(cls, parameters)
            names.update(dict.fromkeys([p.name for p in named] + sorted(closed_by or ())))
    hidden = ("self", "policy", "env", "seed", "_init_setup_model")
    shown = {name: value for name, value in sorted(defaults.items()) if name not in hidden}
    return Constructor(
        names=tuple(name for name in names if name not in hidden),
        defaults=shown,
        hashed=frozenset(name for name, value in shown.items() if is_hashed(name, value, owners[name])),
        open_ended=closed_by is None and _keywords(declared[0][1]) is not None,
    )


def _signatures(algorithm: type) -> list[tuple[type, list[inspect.Parameter]]]:
    """Return the classes whose ``__init__`` the arguments travel through, nearest first, with its parameters."""
    signatures = []
    for cls in algorithm.__mro__:
        if "__init__" in vars(cls):
            parameters = list(inspect.signature(vars(cls)["__init__"]).parameters.values())
            signatures.append((cls, parameters))
            if _keywords(parameters) is None:
                break
    return signatures


def _keywords(parameters: list[inspect.Parameter]) -> inspect.Parameter | None:
    return next((p for p in parameters if p.kind is p.VAR_KEYWORD), None)


def _unpacked_names(cls: type, parameters: list[inspect.Parameter]) -> set[str] | None:
    """Return the keys of ``**keywords: Unpack[SomeTypedDict]``; None when it is not written that way."""
    keywords = _keywords(parameters)
    if keywords is None:
        return None
    try:
        hint = inspect.get_annotations(vars(cls)["__init__"], eval_str=True)[keywords.name]
    except (NameError, KeyError):
        return None
    if typing_extensions.get_origin(hint) not in UNPACK:
        return None
    (keys,) = typing_extensions.get_args(hint)
    return set(keys.__required_keys__ | keys.__optional_keys__)


def to_json(value: Any) -> Any:
    """Turn a value into one that JSON can hold and that is equal in every process (no memory addresses)."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def merge_arguments(levels: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Put arguments together, later ones over earlier ones.

    A plain name replaces the whole argument. A dotted one, ``policy_kwargs.net_arch``, sets one key of a nested
    mapping, after the plain names of its level.

    :param levels: arguments, the least specific first
    :raises ValueError: when a dotted name reaches into something that is no mapping
    """
    arguments: dict[str, Any] = {}
    for level in levels:
        for path in sorted(level, key=lambda name: name.count(".")):
            *parents, last = path.split(".")
            inner = arguments
            for parent in parents:
                nested = inner.get(parent) or {}
                if not isinstance(nested, Mapping):
                    raise ValueError(f"{path}: {parent} is {nested!r}, not a mapping that it could reach into")
                # A copy, because the mapping belongs to the study.
                inner[parent] = dict(nested)
                inner = inner[parent]
            inner[last] = level[path]
    return arguments


def to_constructor(arguments: dict[str, Any]) -> dict[str, Any]:
    """Turn a study's plain values into constructor arguments.

    ``"lin_x"`` for the three arguments that RL Zoo knows as schedules becomes a linear schedule from x to 0;
    a dotted path under a name that ends in ``_class`` or ``_fn`` becomes the object it names. The rest is untouched.
    """
    return {name: _to_constructor(name, value) for name, value in arguments.items()}


def _to_constructor(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return to_constructor(value)
    if not isinstance(value, str):
        return value
    if name in SCHEDULED and value.startswith("lin_"):
        return LinearSchedule(start=float(value.removeprefix("lin_")), end=0.0, end_fraction=1.0)
    if name.endswith(("_class", "_fn")):
        return import_object(value)
    return value
