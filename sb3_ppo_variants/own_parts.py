"""Parts as users give them: by name or dotted path, as a function of their own, or as a record."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, TypeVar

import torch as th

from sb3_ppo_variants.coefficients import CLIP_RANGE, Coefficient, Number, Option
from sb3_ppo_variants.imports import import_module, import_object
from sb3_ppo_variants.messages import one_of

Part = TypeVar("Part")
Argument = TypeVar("Argument", Coefficient, Option)
Function = Callable[..., Any]
# The parts that users have given a name: class of the record -> name -> record.
REGISTERED: defaultdict[type, dict[str, Any]] = defaultdict(dict)

# What the loop logs of an update itself, without ``train/``.
LOGGED = frozenset(
    {
        "approx_kl", "clip_fraction", "clip_range", "clip_range_vf", "ent_coef", "entropy_loss", "explained_variance",
        "grad_norm", "gradient_steps", "kl", "kl_max", "learning_rate", "loss", "n_updates", "policy_gradient_loss",
        "ratio_deviation", "ratio_max", "std", "value_loss", "vf_coef", "vf_learning_rate",
    }
)  # fmt: skip


# Of these, what no coefficient may be called.
MEASURED = frozenset(name for name in LOGGED if not name.endswith(("_coef", "_rate", "_range", "_range_vf")))


def as_list(given: Any) -> list[Any]:
    """What a user gives as one part or as several.

    :param given: a part, or a list or tuple of parts
    """
    return list(given) if isinstance(given, (list, tuple)) else [given]


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


def part_name(part: Any) -> str:
    """What a part is called, as a user gives it.

    :param part: a name or path, a record or a function
    """
    return part if isinstance(part, str) else str(getattr(part, "name", None) or name_of(part))


def version_of(part: Any) -> str | int | None:
    """What its author calls the version of a part, if anything.

    :param part: a function, for which it is an attribute, or a record
    """
    version = getattr(part, "version", None)
    return version if isinstance(version, (str, int)) else None


def check_keywords(record: Any, function: Function | None, keywords: Iterable[str]) -> None:
    """Refuse a function that cannot be called with the arguments that its record names.

    :param record: with a name
    :param function: of the record; ``None`` if there is none
    :param keywords: names of the arguments that it is given
    :raises ValueError: naming the part and the argument
    """
    try:
        parameters = list(inspect.signature(function).parameters.values()) if function is not None else []
    except ValueError:  # functions of C have no signature
        return
    if function is None or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    keywords, part = [*keywords], f"{type(record).__name__} {record.name!r}"
    taken = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    missing = [keyword for keyword in keywords if keyword not in taken]
    if missing:
        raise ValueError(f"{part}: {name_of(function)} does not take {missing[0]!r}, which the record names")
    unnamed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    unknown = [keyword for keyword in unnamed if keyword not in keywords]
    if unknown:
        raise ValueError(f"{part}: {name_of(function)} needs {unknown[0]!r}, which the record does not name")


def check_tuple(record: Any, field: str) -> None:
    """Refuse a field of a record that has to be a tuple and is none: ``(one)`` is ``one``.

    :param record: with a name
    :param field: its name
    :raises TypeError: naming the part, the field and what it is
    """
    given = getattr(record, field)
    if not isinstance(given, tuple):
        part = f"{type(record).__name__} {record.name!r}"
        raise TypeError(f"{part}: {field} must be a tuple, such as (one,), not {given!r}")


def tried(argument: str, function: Function, *inputs: Any, **values: float) -> Any:
    """What a user's function returns on artificial samples, before training.

    :param argument: that it was given for
    :param function: of the user
    :param inputs: of the function
    :param values: of its coefficients
    :raises ValueError: when the function fails
    """
    try:
        return function(*inputs, **values)
    except TypeError:
        raise
    except Exception as error:
        raise ValueError(
            f"{argument}: {name_of(function)} fails on three artificial samples, which have no observations and no "
            f"prepared tensors: {error}; a function that needs them is given as a record, see docs/own_term.md"
        ) from error


def coefficients_of(function: Function) -> tuple[Coefficient, ...]:
    """The coefficients of a user's function: its keyword-only arguments. ``clip_range`` is PPO's own.

    :param function: with numbers as their defaults, or without defaults
    :raises ValueError: when a default is not a number, or an argument with a default is not keyword-only
    """
    parameters = inspect.signature(function).parameters.values()
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.default is not parameter.empty:
            raise ValueError(
                f"{name_of(function)}: {parameter.name}={parameter.default!r} must be keyword-only to be an argument "
                "of the model: write * before it"
            )
    return tuple(
        CLIP_RANGE if parameter.name == CLIP_RANGE.name else _coefficient(name_of(function), parameter)
        for parameter in parameters
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


def as_number(what: str, value: Any) -> float:
    """A number that a user's function returns, for the log.

    :param what: the number is, for the message
    :param value: a number, or a tensor with one
    :raises ValueError: for anything else
    """
    if isinstance(value, Real):
        return float(value)
    if not isinstance(value, th.Tensor) or value.numel() != 1:
        shape = tuple(value.shape) if isinstance(value, th.Tensor) else type(value).__name__
        raise ValueError(f"{what}, which must be one number, not {shape}")
    return value.item()


def refuse_repeated(argument: str, names: Sequence[str]) -> None:
    """Refuse a part that is named twice.

    :param argument: that they were given for
    :param names: of the parts
    :raises ValueError: naming those that are there more than once
    """
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(
            f"{argument}={list(names)}: {sorted(twice)} is there more than once; a function is called by its __name__"
        )


def by_name(argument: str, coefficients: Iterable[Argument]) -> dict[str, Argument]:
    """The coefficients, or the options, of several parts, which may share one.

    :param argument: that the parts were given for
    :param coefficients: of all parts
    :raises ValueError: when two mean different things by a name, or one has the name of a statistic of PPO
    """
    named: dict[str, Argument] = {}
    for coefficient in coefficients:
        if coefficient.name in MEASURED:
            raise ValueError(f"{argument}: {coefficient.name!r} would replace train/{coefficient.name}; rename it")
        if named.setdefault(coefficient.name, coefficient) != coefficient:
            raise ValueError(f"{argument}: two parts have a coefficient {coefficient.name!r}; rename one")
    return named
