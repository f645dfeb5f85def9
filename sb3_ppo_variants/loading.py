"""What ``load`` is given, compared with what the zip holds."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from stable_baselines3.common.save_util import load_from_zip_file

from sb3_ppo_variants.own_parts import part_name
from sb3_ppo_variants.schedules import as_schedule, sampled


def changed_arguments(
    path: str | Path | BufferedIOBase,
    names: Iterable[str],
    keywords: Mapping[str, Any],
    custom_objects: Mapping[str, Any] | None,
) -> set[str]:
    """Those of some arguments for which ``load`` is given another value or another rule than the zip holds.

    RL Zoo gives every hyperparameter of its file, most of them as they were. What cannot be read counts as changed.

    :param path: as in ``load``
    :param names: of the arguments: coefficients, and ``adapt``, which stands for the coefficients in it
    :param keywords: of ``load``; they win over ``custom_objects``
    :param custom_objects: of ``load``, which take the place of what the zip holds
    """
    objects = dict(custom_objects or {})
    given = {name: value for name, value in {**objects, **keywords}.items() if name in set(names)}
    if not given:
        return set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        others = {name: value for name, value in objects.items() if name not in given}
        saved, _, _ = load_from_zip_file(path, device="cpu", custom_objects=others)
    of_rules = _changed_rules(given.pop("adapt"), (saved or {}).get("adapt")) if "adapt" in given else set()
    return of_rules | {name for name, value in given.items() if not _same(name, value, (saved or {}).get(name))}


def _changed_rules(given: Any, saved: Any) -> set[str]:
    """The coefficients whose rule is another one. A named class writes a rule of its own to ``adapt``."""
    of_both = [{name: _named(rule) for name, rule in (adapt or {}).items()} for adapt in (given, saved)]
    return {name for name in of_both[0] if of_both[0][name] != of_both[1].get(name)}


def _named(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule's arguments; a function in a zip is another object, so it is known by its name."""
    return {**rule, "rule": part_name(rule.get("rule"))}


def saved_attributes(path: str | Path | BufferedIOBase) -> set[str]:
    """The names of the attributes that a zip holds.

    :param path: as in ``load``
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saved, _, _ = load_from_zip_file(path, device="cpu")
    return {*(saved or {})}


def _same(name: str, given: Any, saved: Any) -> bool:
    if given is None or saved is None:
        return given is saved
    return sampled(as_schedule(name, given)) == sampled(as_schedule(name, saved))
