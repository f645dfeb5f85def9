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


def saved_attributes(path: str | Path | BufferedIOBase, custom_objects: Mapping[str, Any] | None) -> dict[str, Any]:
    """The attributes that a zip holds. An attribute that cannot be read is left out, or its place is taken.

    :param path: as in ``load``
    :param custom_objects: what is not to be read
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saved, _, _ = load_from_zip_file(path, device="cpu", custom_objects=dict(custom_objects or {}))
    return saved or {}


def changed_arguments(names: Iterable[str], given: Mapping[str, Any], saved: Mapping[str, Any]) -> set[str]:
    """Those of some arguments for which ``load`` is given another value or another rule than the zip holds.

    RL Zoo gives every hyperparameter of its file, most of them as they were. What cannot be read counts as changed.

    :param names: of the arguments: coefficients, and ``adapt``, which stands for the coefficients in it
    :param given: to ``load``, as keyword arguments or in place of what the zip holds
    :param saved: what the zip holds
    """
    given = {name: given[name] for name in names if name in given}
    of_rules = _changed_rules(given.pop("adapt"), saved.get("adapt")) if "adapt" in given else set()
    return of_rules | {name for name, value in given.items() if not _same(name, value, saved.get(name))}


def _changed_rules(given: Any, saved: Any) -> set[str]:
    """The coefficients whose rule is another one. A named class writes a rule of its own to ``adapt``."""
    of_both = [{name: _named(rule) for name, rule in (adapt or {}).items()} for adapt in (given, saved)]
    return {name for name in of_both[0] if of_both[0][name] != of_both[1].get(name)}


def follows_another(name: str, adapt: Any, saved: Any) -> bool:
    """Whether the rule of a coefficient follows another statistic than the saved one, or is another rule.

    :param name: of the coefficient
    :param adapt: of the model
    :param saved: ``adapt`` of the zip
    """
    before, now = ((rules or {}).get(name, {}) for rules in (saved, adapt))
    return any(before.get(key) != now.get(key) for key in ("rule", "follow"))


def _named(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule's arguments; a function in a zip is another object, so it is known by its name."""
    return {**rule, "rule": part_name(rule.get("rule"))}


def _same(name: str, given: Any, saved: Any) -> bool:
    if given is None or saved is None:
        return given is saved
    return sampled(as_schedule(name, given)) == sampled(as_schedule(name, saved))
