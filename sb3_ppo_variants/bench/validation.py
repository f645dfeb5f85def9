"""A study file is read and checked before anything runs: its keys and values, the arguments, then the runs."""

from __future__ import annotations

import itertools
import reprlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sb3_ppo_variants.bench.checks import argument_mistakes, imported_mistakes, resolution_mistakes
from sb3_ppo_variants.bench.construction import run_mistakes
from sb3_ppo_variants.bench.study.places import KEYS, belongs, near_key
from sb3_ppo_variants.bench.study.seeds import DECIDED, LISTED
from sb3_ppo_variants.bench.study.space import BOUNDS, CHOICES
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.study.yaml_file import StudyLoader, load, read_text
from sb3_ppo_variants.messages import did_you_mean, warn_user

# Parts of the place of a mistake that no file has.
INNER = ("bool", "dict[str,any]", "[key]", LISTED, DECIDED, BOUNDS, CHOICES)
MOST_SHOWN = 50
MOST_LETTERS = 600


# What pydantic calls by the names of Python.
MAPPING = ("dict_type", "model_type", "model_attributes_type")
IN_YAML = {"missing": "is missing"}
IN_YAML["string_type"] = "a text is needed, in quotes where YAML reads something else, such as no, 1 or null"
IN_YAML |= dict.fromkeys(("tuple_type", "list_type"), "a list is needed, such as [one, two]")
# What a mapping at a place looks like.
EXAMPLES = {
    "evaluation": "{every: 10_000, episodes: 10}",
    "checkpoint": "{minutes: 5}",
    "arms": "{dual_clip: {algorithm: sb3_ppo_variants.DualClipPPO}}",
    "arms.*": "{algorithm: sb3_ppo_variants.DualClipPPO}",
}


class StudyMistakes(Exception):
    """What is wrong with a study file.

    :param mistakes: one line each, ``place: what is wrong``
    """

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = list(dict.fromkeys(mistakes))
        super().__init__("\n".join(self.mistakes))


def load_study(path: Path) -> Study:
    """Read a study file and check everything that can be checked before a run, with its environments.

    :raises StudyMistakes: with all mistakes of the first check that finds any
    """
    study = read_study(path)
    if mistakes := _first(run_mistakes(study)):
        raise StudyMistakes(mistakes)
    for line in _short_budgets(study):
        warn_user(line)
    return study


def _short_budgets(study: Study) -> Iterator[str]:
    """Name the arms that are never evaluated after an update: all of them would seem to learn alike."""
    short: dict[str, list[str]] = {}
    for environment, arm in itertools.product(study.environments, study.arms):
        run = study.run(arm, environment, study.seeds[0])
        steps = {**run.defaults, **run.arguments}.get("n_steps")
        if isinstance(steps, int) and steps * run.n_envs >= run.total_timesteps:
            line = (
                f"on {environment}: the first update comes after n_steps={steps} x n_envs={run.n_envs} steps, and "
                f"total_timesteps is {run.total_timesteps}: no evaluation sees what is learned"
            )
            short.setdefault(line, []).append(f"arms.{arm}")
    return (f"{', '.join(arms)}: {line}" for line, arms in short.items())


def read_study(path: Path) -> Study:
    """Read a study file and check what it says, but make no environment: a report needs none.

    :raises StudyMistakes: with all mistakes of the first check that finds any
    """
    text, raw = _read(path)
    try:
        study = Study.model_validate(raw, context={"folder": path.parent, "text": text})
    except ValidationError as error:
        raise StudyMistakes(_first(map(_line, error.errors()))) from error
    for check in (argument_mistakes, resolution_mistakes, imported_mistakes):
        if mistakes := _first(check(study)):
            raise StudyMistakes(mistakes)
    return study


def _first(mistakes: Iterable[str]) -> list[str]:
    """Take so many mistakes, and so much of each, as a person reads."""
    found = [_line_of(mistake) for mistake in itertools.islice(mistakes, MOST_SHOWN + 1)]
    return [*found[:MOST_SHOWN], "..."] if len(found) > MOST_SHOWN else found


def _line_of(mistake: str) -> str:
    line = " ".join(mistake.split())
    return line if len(line) <= MOST_LETTERS else f"{line[:MOST_LETTERS]} ..."


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = read_text(path)
        raw = load(text, StudyLoader)
    except OSError as error:
        raise StudyMistakes([f"{path}: {error.strerror}"]) from error
    except ValueError as error:
        raise StudyMistakes([f"{path} {error}"]) from error
    if not isinstance(raw, dict):
        raise StudyMistakes([f"{path}: a study is a mapping with name, seeds, environments, ..."])
    return text, raw


def _line(detail: Any) -> str:
    place = ".".join(str(part)[:100] for part in detail["loc"] if part not in INNER)
    if detail["type"] == "extra_forbidden":
        name = str(detail["loc"][-1])[:100]
        if place == name and (near := near_key(name)):
            return f"{place}: unknown key; did you mean {near}?"
        where = belongs(name)
        if where is not None:
            return f"{place}: not a key here; {where}"
        return f"{place}: unknown key{did_you_mean(name, [key for keys in KEYS.values() for key in keys])}"
    if detail["type"] in MAPPING:
        message = f"a mapping is needed, such as {_example(place)}"
    else:
        message = IN_YAML.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    value = detail["input"]
    shown = "" if isinstance(value, (dict, list)) or detail["type"] == "missing" else f" (given: {reprlib.repr(value)})"
    return f"{place}: {message}{shown}" if place else f"{message}{shown}"


def _example(place: str) -> str:
    level, *names = place.split(".")
    return EXAMPLES.get("arms.*" if level == "arms" and len(names) == 1 else place, "{key: value}")
