"""Parts as users give them: by name or dotted path, as a function of their own, or as a record."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sb3_ppo_variants.coefficients import CLIP_RANGE, Coefficient, Number
from sb3_ppo_variants.imports import import_module, import_object
from sb3_ppo_variants.messages import one_of

Part = TypeVar("Part")
Function = Callable[..., Any]
# The parts that users have given a name: class of the record -> name -> record.
REGISTERED: defaultdict[type, dict[str, Any]] = defaultdict(dict)


def resolve(
    argument: str, part: Any, record: type[Part], known: Mapping[str, Part], wrap: Callable[[Function], Part]
) -> Part:
    """The record that a user means.

    :param argument: that it was given for
    :param part: a function, a record, a name, ``"module:name"`` for a name that the module registers, or the dotted
        path of a function or record, ``"module.NAME"``
    :param record: class of the records
    :param known: those of the package, by name
    :param wrap: makes a record of a function
    :raises ValueError: for an unknown name, and for a path that cannot be imported
    :raises TypeError: for something that is none of these
    """
    found = _named(argument, part, record, known) if isinstance(part, str) else part
    if isinstance(found, record):
        return found
    if callable(found) and not isinstance(found, type):
        try:
            return wrap(found)
        except TypeError as error:
            raise TypeError(f"{argument}: {name_of(found)} cannot be called as one: {error}") from error
    hint = "; coefficients are arguments of their own" if isinstance(part, Mapping) else ""
    raise TypeError(f"{argument}: {part!r} is neither a name nor a function{hint}; names: {', '.join(known)}")


def _named(argument: str, name: str, record: type, known: Mapping[str, Any]) -> Any:
    """The part of a name or path."""
    module, colon, last = name.rpartition(":")
    try:
        if colon:
            import_module(module)
        elif "." in name:
            return import_object(name)
    except ImportError as error:
        raise ValueError(f"{argument}={name!r}: {error}") from error
    all_known = {**known, **REGISTERED[record]}
    if last not in all_known:
        hint = f" Importing {module} does not register it." if colon else " Your own: 'my_module.my_part'."
        raise ValueError(one_of(argument, last, all_known) + hint)
    return all_known[last]


def name_of(function: Function) -> str:
    """What a user's function is called.

    :param function: or an object that can be called
    """
    return str(getattr(function, "__name__", type(function).__name__))


def version_of(part: Any) -> str | int | None:
    """What its author calls the version of a part, if anything.

    :param part: a function, for which it is an attribute, or a record
    """
    version = getattr(part, "version", None)
    return version if isinstance(version, (str, int)) else None


def coefficients_of(function: Function) -> tuple[Coefficient, ...]:
    """The coefficients of a user's function: its keyword-only arguments. ``clip_range`` is PPO's own.

    :param function: with numbers as their defaults, or without defaults
    :raises ValueError: when a default is not a number
    """
    return tuple(
        CLIP_RANGE if parameter.name == CLIP_RANGE.name else _coefficient(name_of(function), parameter)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    )


def _coefficient(function: str, parameter: inspect.Parameter) -> Coefficient:
    if parameter.default is parameter.empty or parameter.default is None:
        return Coefficient(parameter.name)
    Number(f"{function}: default of {parameter.name}").check(parameter.default)
    return Coefficient(parameter.name, parameter.default)


def trial_values(coefficients: Iterable[Number]) -> dict[str, float]:
    """Values for a call before training.

    :param coefficients: with defaults or without
    """
    return {c.name: 1.0 if c.default is None else c.default for c in coefficients}


def refuse_repeated(argument: str, names: Sequence[str]) -> None:
    """Refuse a part that is named twice.

    :param argument: that they were given for
    :param names: of the parts
    :raises ValueError: naming those that are there more than once
    """
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{argument}={list(names)}: {sorted(twice)} is there more than once")


def by_name(argument: str, coefficients: Iterable[Coefficient]) -> dict[str, Coefficient]:
    """The coefficients of several parts, which may share one.

    :param argument: that the parts were given for
    :param coefficients: of all parts
    :raises ValueError: when two mean different things by a name
    """
    named: dict[str, Coefficient] = {}
    for coefficient in coefficients:
        if named.setdefault(coefficient.name, coefficient) != coefficient:
            raise ValueError(f"{argument}: two parts have a coefficient {coefficient.name!r}; rename one")
    return named
