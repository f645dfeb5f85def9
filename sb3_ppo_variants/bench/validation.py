"""A study file is read and checked before anything runs: its keys and values, the arguments, then the runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sb3_ppo_variants.bench.checks import argument_mistakes, did_you_mean, run_mistakes
from sb3_ppo_variants.bench.study.keys import Ablation, Arm, Bootstrap, Environment, EvaluationSettings, Imported
from sb3_ppo_variants.bench.study.study import Study

MODELS = (Study, Environment, EvaluationSettings, Arm, Ablation, Bootstrap, Imported)
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
    """YAML 1.1 with its merge key ``<<``, but 3e-4 is a number and a key said twice is a mistake."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    key_nodes = [key for key, _ in node.value if key.tag != MERGE_TAG]
    keys = [loader.construct_object(key, deep=True) for key in key_nodes]
    for key_node, key in zip(key_nodes, keys, strict=True):
        if keys.count(key) > 1:
            raise yaml.MarkedYAMLError(problem=f"{key!r} is said twice", problem_mark=key_node.start_mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load_study(path: Path) -> Study:
    """Read a study file and check everything that can be checked before a run, with its environments.

    :raises StudyMistakes: with all mistakes of the first check that finds any
    """
    study = read_study(path)
    if mistakes := list(run_mistakes(study)):
        raise StudyMistakes(mistakes)
    return study


def read_study(path: Path) -> Study:
    """Read a study file and check what it says, but make no environment: a report needs none.

    :raises StudyMistakes: with all mistakes of the first check that finds any
    """
    try:
        study = Study.model_validate(_read(path), context={"folder": path.parent})
    except ValidationError as error:
        raise StudyMistakes(map(_line, error.errors())) from error
    if mistakes := list(argument_mistakes(study)):
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
        return f"{place}: unknown key{did_you_mean(str(detail['loc'][-1]), KEYS)}"
    message = detail["msg"].removeprefix("Value error, ")
    value = detail["input"]
    shown = "" if isinstance(value, (dict, list)) or detail["type"] == "missing" else f" (given: {value!r})"
    return f"{place}: {message}{shown}" if place else f"{message}{shown}"
