"""A study file read and checked: all mistakes at once, each with its place, before anything runs."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ppo_variants.bench.arguments import Constructor, constructor, import_algorithm
from sb3_ppo_variants.bench.run import Run, make_env, make_model
from sb3_ppo_variants.bench.study import BASELINE, BASELINE_ALGORITHM, Arm, Bootstrap, Environment, Evaluation, Study

KEYS = {name for model in (Study, Environment, Evaluation, Arm, Bootstrap) for name in model.model_fields}


class StudyMistakes(Exception):
    """What is wrong with a study file.

    :param mistakes: one line each, ``place: what is wrong``
    """

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = list(dict.fromkeys(mistakes))
        super().__init__("\n".join(self.mistakes))


class _Loader(yaml.SafeLoader):
    """YAML 1.1, but 3e-4 is a number and a key said twice is a mistake."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key_node, key in zip((key for key, _ in node.value), keys, strict=True):
        if keys.count(key) > 1:
            raise yaml.MarkedYAMLError(problem=f"{key!r} is said twice", problem_mark=key_node.start_mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load_study(path: Path) -> Study:
    """Read a study file and check everything that can be checked before a run.

    :param path: the YAML file
    :raises StudyMistakes: with every mistake found
    """
    raw = _read(path)
    mistakes: list[str] = []
    study = None
    try:
        study = Study.model_validate(raw)
    except ValidationError as error:
        mistakes += [_line(detail) for detail in error.errors()]
    mistakes += _argument_mistakes(raw)
    if study is None or mistakes:
        raise StudyMistakes(mistakes)
    mistakes += _construction_mistakes(study)
    if mistakes:
        raise StudyMistakes(mistakes)
    return study


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_bytes(), _Loader)
    except OSError as error:
        raise StudyMistakes([f"{path}: {error.strerror}"]) from error
    except yaml.YAMLError as error:
        raise StudyMistakes([" ".join(f"{path}: not YAML: {error}".split())]) from error
    if not isinstance(raw, dict):
        raise StudyMistakes([f"{path}: a study is a mapping with name, seeds, environments, ..."])
    return raw


def _line(detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"] if part not in ("bool", "dict[str,any]", "[key]"))
    if detail["type"] == "extra_forbidden":
        return f"{place}: unknown key{suggestion(str(detail['loc'][-1]), KEYS)}"
    message = detail["msg"].removeprefix("Value error, ")
    given = detail["input"]
    shown = "" if isinstance(given, (dict, list)) or detail["type"] == "missing" else f" (given: {given!r})"
    return f"{place}: {message}{shown}" if place else f"{message}{shown}"


def _section(raw: Any, name: str) -> dict[str, Any]:
    """Return a mapping inside raw input that may be of any shape."""
    found = raw.get(name) if isinstance(raw, dict) else None
    return found if isinstance(found, dict) else {}


def _argument_mistakes(raw: dict[str, Any]) -> Iterator[str]:
    """Check classes and names of arguments on the raw input, so that they are reported beside other mistakes."""
    arms = {BASELINE: {"algorithm": BASELINE_ALGORITHM}, **_section(raw, "arms")}
    shared = {"arguments": _section(raw, "arguments")}
    for name, environment in _section(raw, "environments").items():
        shared[f"environments.{name}.arguments"] = _section(environment, "arguments")
    for arm, body in arms.items():
        path = body.get("algorithm") if isinstance(body, dict) else None
        if not isinstance(path, str):
            continue
        try:
            algorithm = import_algorithm(path)
        except Exception as error:
            yield f"arms.{arm}.algorithm: cannot import {path}: {error}"
            continue
        if arm == BASELINE and algorithm is not import_algorithm(BASELINE_ALGORITHM):
            yield f"arms.{arm}.algorithm: the baseline is {BASELINE_ALGORITHM}; give {path} another name"
        accepted = constructor(algorithm)
        for place, arguments in {**shared, f"arms.{arm}.arguments": _section(body, "arguments")}.items():
            owner = algorithm.__name__ if place.startswith("arms.") else f"{algorithm.__name__} (arm {arm})"
            yield from _unknown(place, arguments, accepted, owner)
    yield from _normalize_mistakes(raw)


def _normalize_mistakes(raw: dict[str, Any]) -> Iterator[str]:
    names = [name for name in inspect.signature(VecNormalize.__init__).parameters if name not in ("self", "venv")]
    accepted = Constructor(names=tuple(names), defaults={}, open_ended=False)
    yield from _unknown("normalize", _section(raw, "normalize"), accepted, "VecNormalize")
    for name, environment in _section(raw, "environments").items():
        place = f"environments.{name}.normalize"
        yield from _unknown(place, _section(environment, "normalize"), accepted, "VecNormalize")


def _unknown(place: str, arguments: dict[str, Any], accepted: Constructor, owner: str) -> Iterator[str]:
    for name in arguments:
        if name == "seed":
            yield f"{place}.seed: seeds are set by the study's own key seeds"
        elif name not in accepted.names and not accepted.open_ended:
            yield f"{place}.{name}: unknown argument of {owner}{suggestion(str(name), accepted.names)}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean x?`` for the nearest known name, or nothing when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _construction_mistakes(study: Study) -> Iterator[str]:
    """Build every arm on every environment once, with the functions that a run uses."""
    for environment in study.environments:
        runs = [study.run(arm, environment, study.seeds[0]) for arm in study.arms]
        try:
            env = make_env(runs[0])
        except Exception as error:
            yield f"environments.{environment}: {_said(error)}"
            continue
        for run in runs:
            try:
                make_model(run, env)
            except Exception as error:
                yield _blamed(run, error)
        env.close()


def _blamed(run: Run, error: Exception) -> str:
    """Point at the argument that an error of a constructor names, else at the arm."""
    accepted = constructor(import_algorithm(run.algorithm))
    message = _said(error)
    for name in run.arguments:
        if name not in accepted.names and re.search(rf"\b{re.escape(name)}\b", message):
            near = suggestion(name, accepted.names)
            return f"arms.{run.arm}.arguments.{name}: on {run.environment}: {message}{near}"
    return f"arms.{run.arm}: on {run.environment}: {message}"


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
