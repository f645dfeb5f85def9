"""Grids and ablations as plain data: which combinations there are, and what they are called."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sb3_ppo_variants.bench.study.nested import repeated, replaced, shared

ZIP = "zip"
MOST_COMBINATIONS = 1_000
OBJECTIVE = "objective"
LEVEL_NAME = re.compile(r"[A-Za-z0-9_.+-]+")

Parts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Combination:
    """One combination of a grid.

    :param label: ``axis=level`` of every argument, joined by commas; for a zip whose mappings use the same names, the
        name alone
    :param levels: axis -> name of its level; a zip is one axis
    :param values: argument -> value
    """

    label: str
    levels: dict[str, str]
    values: dict[str, Any]


def combinations(grid: Mapping[str, Any]) -> list[Combination]:
    """Multiply the axes of a grid, the last axis running fastest.

    An axis is ``argument: [value, ...]`` or ``argument: {name: value, ...}``. The axes under ``zip`` go together, level
    by level, and count as one; ``zip`` may be a list of several such groups.

    :raises ValueError: when an axis has fewer than 2 levels, zipped axes differ in length, an argument is in two axes,
        two levels of an axis have the same name, or there are more than 1000 combinations
    """
    groups = [{name: levels} for name, levels in grid.items() if name != ZIP] + _zips(grid.get(ZIP, []))
    names = [name for group in groups for name in group]
    if twice := repeated(names):
        raise ValueError(f"grid: {', '.join(twice)} is in more than one axis")
    if not names:
        raise ValueError("grid: give at least one axis")
    short = _short(names)
    axes = [_axis(group, short) for group in groups]
    count = math.prod(map(len, axes))
    if count > MOST_COMBINATIONS:
        raise ValueError(f"grid: {count} combinations are more than {MOST_COMBINATIONS}")
    return [_join(parts) for parts in itertools.product(*axes)]


def _zips(written: Any) -> list[dict[str, Any]]:
    zips = written if isinstance(written, list) else [written]
    if not all(isinstance(group, dict) and len(group) > 1 for group in zips):
        raise ValueError("grid.zip: must be a mapping of two or more axes, or a list of such mappings")
    for name in (name for group in zips for name in group if not isinstance(name, str)):
        raise ValueError(f"grid.zip: an axis is the name of an argument, not {name!r}")
    return zips


def _axis(group: Mapping[str, Any], short: Mapping[str, str]) -> list[Combination]:
    """Levels of one axis; of several arguments when they are zipped."""
    levels = {name: _levels(name, written) for name, written in group.items()}
    counts = {name: len(named) for name, named in levels.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"grid.zip: axes must have equally many levels, these have {counts}")
    axis = "+".join(short[name] for name in group)
    level_names = [list(written) for written in group.values() if isinstance(written, dict)]
    named_alike = len(level_names) == len(group) > 1 and all(names == level_names[0] for names in level_names)
    combined = []
    for row in zip(*levels.values(), strict=True):
        names, values = zip(*row, strict=True)
        label = ",".join(f"{short[name]}={level}" for name, level in zip(group, names, strict=True))
        level = "+".join(names)
        label, level = (names[0], names[0]) if named_alike else (label, level)
        combined.append(Combination(label, {axis: level}, dict(zip(group, values, strict=True))))
    return combined


def _levels(axis: str, written: Any) -> list[tuple[str, Any]]:
    """Name every level of an axis."""
    if isinstance(written, dict):
        levels = [(str(name), value) for name, value in written.items()]
    elif isinstance(written, list):
        levels = [(level_name(axis, value), value) for value in written]
    else:
        raise ValueError(f"grid.{axis}: must be a list of values, or a mapping from names to values, not {written!r}")
    names = [name for name, _ in levels]
    if len(levels) < 2:
        raise ValueError(f"grid.{axis}: an axis has 2 levels or more, not {len(levels)}")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"grid.{axis}: two levels are called {twice[0]}; name them, {{name: value, ...}}")
    for name in names:
        if not LEVEL_NAME.fullmatch(name):
            raise ValueError(f"grid.{axis}: {name!r} cannot be part of a folder's name; name it, {{name: value}}")
    return levels


def level_name(axis: str, value: Any) -> str:
    """Write a value so that it can be part of a folder's name: ``0.0003``, ``64+64``, ``true``, ``DualClipPPO``."""
    if isinstance(value, list):
        return "+".join(level_name(axis, item) for item in value) or "empty"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        raise ValueError(f"grid.{axis}: a mapping needs a name as a level, {{name: {{...}}, ...}}")
    return str(value).rpartition(".")[2] if axis == "algorithm" else str(value)


def _short(names: list[str]) -> dict[str, str]:
    """Last part of a dotted name where that is unique, else the whole name."""
    last = [name.rpartition(".")[2] for name in names]
    return {name: tail if last.count(tail) == 1 else name for name, tail in zip(names, last, strict=True)}


def _join(parts: tuple[Combination, ...]) -> Combination:
    return Combination(
        label=",".join(part.label for part in parts),
        levels={axis: level for part in parts for axis, level in part.levels.items()},
        values={name: value for part in parts for name, value in part.values.items()},
    )


def check_parts(parts: Parts, arguments: Mapping[str, Any]) -> None:
    """Check that parts can be put together in any selection.

    :param arguments: those of the arm without any part
    :raises ValueError: when two parts set the same argument, or one adds a term to an objective that is not given
    """
    for part, changes in parts.items():
        if not changes:
            raise ValueError(f"ablate.parts.{part}: a part sets at least one argument")
        if OBJECTIVE in changes and OBJECTIVE not in arguments:
            raise ValueError(
                f"ablate.parts.{part}: adds to the objective, so say arguments.objective, that of the arm without "
                "any part ([] for the plain surrogate)"
            )
    for (one, changes), (other, others) in itertools.combinations(parts.items(), 2):
        for name in shared(changes, others):
            if name != OBJECTIVE:
                raise ValueError(f"ablate.parts: {one} and {other} both set {name}")


def with_parts(parts: Parts, chosen: tuple[str, ...], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of an arm with some of its parts.

    :param arguments: those of the arm without any part
    """
    merged = dict(arguments)
    for part in parts:
        if part in chosen:
            changes = dict(parts[part])
            if OBJECTIVE in changes:
                changes[OBJECTIVE] = [*_as_list(merged[OBJECTIVE]), *_as_list(changes[OBJECTIVE])]
            merged = replaced(merged, changes)
    return merged


def _as_list(objective: Any) -> list[Any]:
    return list(objective) if isinstance(objective, list) else [objective]
