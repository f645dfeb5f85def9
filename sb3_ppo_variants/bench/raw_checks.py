"""Classes and names of arguments, checked on a study file as it was read, whatever else is wrong with it."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from stable_baselines3.common.vec_env import VecNormalize

from sb3_ppo_variants.bench.study.arms import AXES
from sb3_ppo_variants.bench.study.constructors import Constructor, constructor, import_algorithm
from sb3_ppo_variants.bench.study.grid import ZIP
from sb3_ppo_variants.bench.study.study import BASELINE, BASELINE_ALGORITHM


def _section(raw: Any, name: str) -> dict[str, Any]:
    """Return a mapping inside raw input that may be of any shape."""
    found = raw.get(name) if isinstance(raw, dict) else None
    return found if isinstance(found, dict) else {}


def argument_mistakes(raw: dict[str, Any]) -> Iterator[str]:
    """Check classes and names of arguments on the raw input, so that they are reported beside other mistakes."""
    arms = {BASELINE: {"algorithm": BASELINE_ALGORITHM}, **_section(raw, "arms")}
    shared = {"arguments": _section(raw, "arguments")}
    for name, environment in _section(raw, "environments").items():
        shared[f"environments.{name}.arguments"] = _section(environment, "arguments")
    for arm, body in arms.items():
        for path in _algorithms(body):
            try:
                algorithm = import_algorithm(path)
            except Exception as error:
                yield f"arms.{arm}.algorithm: cannot import {path}: {error}"
                continue
            if arm == BASELINE and algorithm is not import_algorithm(BASELINE_ALGORITHM):
                yield f"arms.{arm}.algorithm: the baseline is {BASELINE_ALGORITHM}; give {path} another name"
            accepted = constructor(algorithm)
            for place, arguments in shared.items():
                yield from _unknown(place, arguments, accepted, f"{algorithm.__name__} (arm {arm})")
            for place, arguments in _own_arguments(arm, body):
                yield from _unknown(place, arguments, accepted, algorithm.__name__)
    for place, section in [("", raw), *((f"arms.{arm}.", body) for arm, body in arms.items())]:
        yield from _normalize_mistakes(place, section)
    for name, environment in _section(raw, "environments").items():
        yield from _normalize_mistakes(f"environments.{name}.", environment)


def _algorithms(body: Any) -> list[str]:
    """Return the dotted paths of an arm's classes: its own, or the levels of that axis of its grid."""
    axis = _axes(body).get("algorithm", [])
    levels = list(axis.values()) if isinstance(axis, dict) else axis if isinstance(axis, list) else []
    paths = levels or ([body.get("algorithm")] if isinstance(body, dict) else [])
    return [path for path in paths if isinstance(path, str)]


def _axes(body: Any) -> dict[str, Any]:
    """Return the axes of a raw grid, those of its zips too."""
    grid = _section(body, "grid")
    zips = grid.get(ZIP, [])
    groups = [group for group in (zips if isinstance(zips, list) else [zips]) if isinstance(group, dict)]
    axes = {name: levels for name, levels in grid.items() if name != ZIP}
    return {**axes, **{name: levels for group in groups for name, levels in group.items()}}


def _own_arguments(arm: str, body: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the places in which an arm names arguments, with what they name."""
    yield f"arms.{arm}.arguments", _section(body, "arguments")
    yield f"arms.{arm}.grid", {name: levels for name, levels in _axes(body).items() if name not in AXES}
    parts = _section(_section(body, "ablate"), "parts")
    for part in parts:
        yield f"arms.{arm}.ablate.parts.{part}", _section(parts, part)


def _normalize_mistakes(place: str, raw: Any) -> Iterator[str]:
    names = [name for name in inspect.signature(VecNormalize.__init__).parameters if name not in ("self", "venv")]
    accepted = Constructor(names=tuple(names), defaults={}, open_ended=False)
    yield from _unknown(f"{place}normalize", _section(raw, "normalize"), accepted, "VecNormalize")


def _unknown(place: str, arguments: dict[str, Any], accepted: Constructor, owner: str) -> Iterator[str]:
    for name in arguments:
        argument = str(name).partition(".")[0]
        if argument == "seed":
            yield f"{place}.seed: seeds are set by the study's own key seeds"
        elif argument not in accepted.names and not accepted.open_ended:
            yield f"{place}.{name}: unknown argument of {owner}{suggestion(argument, accepted.names)}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean x?`` for the nearest known name, or nothing when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
