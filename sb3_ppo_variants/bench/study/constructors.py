"""What an algorithm's constructor accepts, and how a study's plain values become its arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import LinearSchedule

from sb3_ppo_variants.bench.study.identity import is_hashed
from sb3_ppo_variants.imports import import_object
from sb3_ppo_variants.schedules import as_schedule

SCHEDULED = ("learning_rate", "clip_range", "clip_range_vf")
MAPPINGS = ("policy_kwargs", "rollout_buffer_kwargs")
# Of which less than one trains nothing.
COUNTS = ("batch_size", "n_epochs", "n_steps")
HIDDEN = ("self", "policy", "env", "seed", "_init_setup_model")


@dataclass(frozen=True)
class Constructor:
    """What the constructor of a class accepts.

    :param names: every argument name that can be read from signatures, ``policy``, ``env`` and ``seed`` left out
    :param defaults: the defaults, as JSON, also of arguments that a named class hides
    :param hashed: names of the defaults that belong to the identity of a run
    :param open_ended: whether names that no signature shows may be valid too (a plain ``**keywords``);
        only building the object can tell
    :param numbers: ``int`` or ``float`` for each argument that is annotated as nothing else
    """

    names: tuple[str, ...]
    defaults: dict[str, Any]
    hashed: frozenset[str]
    open_ended: bool
    numbers: dict[str, type] = field(default_factory=dict)

    def wanted(self, name: str, value: Any) -> str | None:
        """What an argument has to be, if the value is of another kind.

        Many constructors take such a value, and training ends by it later.

        :param name: of the argument
        :param value: given for it
        """
        if name in MAPPINGS:
            return None if value is None or isinstance(value, Mapping) else "a mapping, such as {net_arch: [64, 64]}"
        kind = self.numbers.get(name)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if kind is None or (is_number and (kind is float or value % 1 == 0)):
            return "1 or more" if name in COUNTS and is_number and value < 1 else None
        return "a whole number" if kind is int else "a number"

    def in_kind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Make integers of what a file writes as 64.0 for arguments that are annotated as such.

        :param arguments: of the constructor
        """
        whole = {name for name, value in arguments.items() if isinstance(value, float) and value % 1 == 0}
        return {
            name: int(value) if name in whole and self.numbers.get(name) is int else value
            for name, value in arguments.items()
        }


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
    """Read the arguments of a constructor, along the class hierarchy as long as ``**keywords`` passes them on."""
    declared = list(_declared(algorithm))
    # The nearest class comes last and wins.
    defaults = {p.name: (to_json(p.default), cls) for cls, p in reversed(declared) if p.default is not p.empty}
    accepted = list(inspect.signature(algorithm).parameters.values())
    # The signature of a class wins over its ancestors.
    annotations = {p.name: p.annotation for p in [*(p for _, p in reversed(declared)), *accepted]}
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted)
    if open_ended:
        accepted += [parameter for _, parameter in declared]
    return Constructor(
        names=tuple(dict.fromkeys(parameter.name for parameter in accepted if _is_argument(parameter))),
        defaults={name: default for name, (default, _) in sorted(defaults.items())},
        hashed=frozenset(name for name, (default, cls) in defaults.items() if is_hashed(name, default, cls)),
        open_ended=open_ended,
        # SB3 has types as annotations, a module with postponed ones their names.
        numbers={
            name: kind
            for name, annotation in annotations.items()
            for kind in (int, float)
            if annotation is kind or annotation == kind.__name__
        },
    )


def _declared(algorithm: type) -> Iterator[tuple[type, inspect.Parameter]]:
    """Yield every argument that an ``__init__`` names, with its class, the nearest class first."""
    for cls in algorithm.__mro__:
        if "__init__" in vars(cls):
            parameters = inspect.signature(vars(cls)["__init__"]).parameters.values()
            yield from ((cls, parameter) for parameter in parameters if _is_argument(parameter))
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
                return


def _is_argument(parameter: inspect.Parameter) -> bool:
    """Whether a study may set it among the arguments; it sets the hidden ones by other keys."""
    return parameter.name not in HIDDEN and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


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

    ``"lin_x"`` and ``"exp_x"``, with or without a floor, become schedules for the three arguments that RL Zoo knows as
    such; a dotted path under a name that ends in ``_class`` or ``_fn`` becomes the object it names. The rest is
    untouched.

    :raises ValueError: for such a string without a number
    """
    return {name: _to_constructor(name, value) for name, value in arguments.items()}


def _to_constructor(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return to_constructor(value)
    if not isinstance(value, str):
        return value
    if name in SCHEDULED and value.startswith(("lin_", "exp_")):
        return _scheduled(name, value)
    if name.endswith(("_class", "_fn")):
        return import_object(value)
    return value


def _scheduled(name: str, value: str) -> Schedule:
    schedule = as_schedule(name, value)
    # Without a floor SB3's own, so that published runs can be made again bit for bit.
    return LinearSchedule(schedule(1.0), 0.0, 1.0) if value.startswith("lin_") and value.count("_") == 1 else schedule
