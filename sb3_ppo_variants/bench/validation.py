"""A study file read and checked: all mistakes at once, each with its place, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sb3_ppo_variants.bench.checks import run_mistakes
from sb3_ppo_variants.bench.raw_checks import argument_mistakes, suggestion
from sb3_ppo_variants.bench.study.keys import Ablation, Arm, Bootstrap, Environment, Evaluation, Imported
from sb3_ppo_variants.bench.study.study import Study

MODELS = (Study, Environment, Evaluation, Arm, Ablation, Bootstrap, Imported)
KEYS = {field.alias or name for model in MODELS for name, field in model.model_fields.items()}
MERGE_TAG = "tag:yaml.org,2002:merge"


class StudyMistakes(Exception):
    """What is wrong with a study file.

    :param mistakes: one line each, ``place: what is wrong``
    """

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = list(dict.fromkeys(mistakes))
        super().__init__("\n".join(self.mistakes))


class _Loader(yaml.SafeLoader):
    """YAML 1.1, but 3e-4 is a number and a key said twice is a mistake; ``<<`` merges as ever."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    said = [key for key, _ in node.value if key.tag != MERGE_TAG]
    keys = [loader.construct_object(key, deep=True) for key in said]
    for key_node, key in zip(said, keys, strict=True):
        if keys.count(key) > 1:
            raise yaml.MarkedYAMLError(problem=f"{key!r} is said twice", problem_mark=key_node.start_mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load_study(path: Path) -> Study:
    """Read a study file and check everything that can be checked before a run.

    :param path: the YAML file
    :raises StudyMistakes: with every mistake found
    """
    study = read_study(path)
    mistakes = list(run_mistakes(study))
    if mistakes:
        raise StudyMistakes(mistakes)
    return study


def read_study(path: Path) -> Study:
    """Read a study file and check what it says, without its environments: a report needs none.

    :param path: the YAML file
    :raises StudyMistakes: with every mistake found
    """
    raw = _read(path)
    mistakes: list[str] = []
    study = None
    try:
        study = Study.model_validate(raw, context={"folder": path.parent})
    except ValidationError as error:
        mistakes += [_line(detail) for detail in error.errors()]
    mistakes += argument_mistakes(raw)
    if study is None or mistakes:
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
