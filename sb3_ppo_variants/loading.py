"""What ``load`` is given, compared with what the zip holds."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from stable_baselines3.common.save_util import load_from_zip_file

from sb3_ppo_variants.schedules import as_schedule, sampled


def changed_arguments(
    path: str | Path | BufferedIOBase,
    names: Iterable[str],
    keywords: Mapping[str, Any],
    custom_objects: Mapping[str, Any] | None,
) -> set[str]:
    """Those of some arguments for which ``load`` is given another value than the zip holds.

    RL Zoo gives every hyperparameter of its file, most of them as they were. What cannot be read counts as changed.

    :param path: as in ``load``
    :param names: of the arguments: coefficients, and ``adapt``
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
    return {name for name, value in given.items() if not _same(name, value, (saved or {}).get(name))}


def saved_attributes(path: str | Path | BufferedIOBase) -> set[str]:
    """The names of the attributes that a zip holds.

    :param path: as in ``load``
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saved, _, _ = load_from_zip_file(path, device="cpu")
    return {*(saved or {})}


def _same(name: str, given: Any, saved: Any) -> bool:
    if given is None or saved is None or isinstance(given, Mapping):
        return bool(given == saved)
    return sampled(as_schedule(name, given)) == sampled(as_schedule(name, saved))
