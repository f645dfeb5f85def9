"""What an algorithm's constructor accepts, and how a study's plain values become its arguments."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import typing_extensions
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import LinearSchedule

SCHEDULED = ("learning_rate", "clip_range", "clip_range_vf")
# Python has its own from 3.11 on.
UNPACK = (typing_extensions.Unpack, getattr(typing, "Unpack", typing_extensions.Unpack))


@dataclass(frozen=True)
class Constructor:
    """What the constructor of a class accepts.

    :param names: every argument name that can be read from signatures, ``policy``, ``env`` and ``seed`` left out
    :param defaults: the defaults among them, as values that JSON can hold
    :param open_ended: whether names that no signature shows may be valid too (a plain ``**keywords``);
        only building the object can tell
    """

    names: tuple[str, ...]
    defaults: dict[str, Any]
    open_ended: bool


def import_object(path: str) -> Any:
    """Import ``package.module.name``.

    :param path: dotted path of anything importable
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
    found = import_object(path)
    if not (isinstance(found, type) and issubclass(found, BaseAlgorithm)):
        raise ImportError(f"{path} is not a Stable-Baselines3 algorithm class")
    return found


def constructor(algorithm: type[BaseAlgorithm]) -> Constructor:
    """Read the constructor's arguments along the class hierarchy, as long as ``**keywords`` passes them on."""
    names: dict[str, None] = {}
    defaults: dict[str, Any] = {}
    closed_by: set[str] | None = None
    signatures = _signatures(algorithm)
    for function, parameters in signatures:
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if closed_by is None:
            names.update(dict.fromkeys(p.name for p in named))
        for parameter in named:
            if parameter.default is not parameter.empty:
                defaults.setdefault(parameter.name, plain(parameter.default))
        if closed_by is None:
            closed_by = _unpacked_names(function, parameters)
            names.update(dict.fromkeys(sorted(closed_by or ())))
    open_ended = closed_by is None and _keywords(signatures[0][1]) is not None
    hidden = ("self", "policy", "env", "seed", "_init_setup_model")
    return Constructor(
        names=tuple(name for name in names if name not in hidden),
        defaults={name: value for name, value in sorted(defaults.items()) if name not in hidden},
        open_ended=open_ended,
    )


def _signatures(algorithm: type) -> list[tuple[Any, list[inspect.Parameter]]]:
    """Return the ``__init__`` functions that the arguments travel through, nearest class first."""
    found = []
    for cls in algorithm.__mro__:
        if "__init__" in vars(cls):
            function = vars(cls)["__init__"]
            parameters = list(inspect.signature(function).parameters.values())
            found.append((function, parameters))
            if _keywords(parameters) is None:
                break
    return found


def _keywords(parameters: list[inspect.Parameter]) -> inspect.Parameter | None:
    return next((p for p in parameters if p.kind is p.VAR_KEYWORD), None)


def _unpacked_names(function: Any, parameters: list[inspect.Parameter]) -> set[str] | None:
    """Return the keys of ``**keywords: Unpack[SomeTypedDict]``; None when it is not written that way."""
    keywords = _keywords(parameters)
    if keywords is None:
        return None
    try:
        hint = inspect.get_annotations(function, eval_str=True)[keywords.name]
    except (NameError, KeyError):
        return None
    if typing_extensions.get_origin(hint) not in UNPACK:
        return None
    (keys,) = typing_extensions.get_args(hint)
    return set(keys.__required_keys__ | keys.__optional_keys__)


def plain(value: Any) -> Any:
    """Turn a value into one that JSON can hold and that is equal in every process (no memory addresses)."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def merged(levels: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Put arguments together, later ones over earlier ones.

    A plain name replaces the whole argument. A dotted one, ``policy_kwargs.net_arch``, sets one key of a nested
    mapping, after the plain names of its own level.

    :param levels: arguments, the least specific first
    :raises ValueError: when a dotted name reaches into something that is no mapping
    """
    found: dict[str, Any] = {}
    for level in levels:
        for path in sorted(level, key=lambda name: name.count(".")):
            *parents, last = path.split(".")
            inner = found
            for parent in parents:
                nested = inner.get(parent) or {}
                if not isinstance(nested, Mapping):
                    raise ValueError(f"{path}: {parent} is {nested!r}, not a mapping that it could reach into")
                # A copy, because the mapping belongs to the study.
                inner[parent] = dict(nested)
                inner = inner[parent]
            inner[last] = level[path]
    return found


def ready(arguments: dict[str, Any]) -> dict[str, Any]:
    """Turn a study's plain values into constructor arguments.

    ``"lin_x"`` for the three arguments that RL Zoo knows as schedules becomes a linear schedule from x to 0;
    a dotted path under a name that ends in ``_class`` or ``_fn`` becomes what it names. The rest is untouched.

    :param arguments: keyword arguments as written in the study
    """
    return {name: _ready(name, value) for name, value in arguments.items()}


def _ready(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return ready(value)
    if not isinstance(value, str):
        return value
    if name in SCHEDULED and value.startswith("lin_"):
        return LinearSchedule(start=float(value.removeprefix("lin_")), end=0.0, end_fraction=1.0)
    if name.endswith(("_class", "_fn")):
        return import_object(value)
    return value
