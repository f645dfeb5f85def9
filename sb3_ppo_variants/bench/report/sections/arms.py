"""What each arm is: its class, and what it sets differently from the baseline."""

from __future__ import annotations

from typing import Any

import yaml

from sb3_ppo_variants.bench.report.document import Cell, Section, Table
from sb3_ppo_variants.bench.report.sections.cells import arm_cells
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.constructors import constructor, import_algorithm
from sb3_ppo_variants.bench.study.run import Run, plain_id
from sb3_ppo_variants.bench.study.study import Study, imported_name
from sb3_ppo_variants.ppo import VariantPPO

CLIP = ["clip"]
SETTINGS = ("policy", "n_envs", "normalize", "callbacks")
NOTE = (
    "Arguments at the default of the arm's class are left out unless the baseline has another value, or they are "
    "numbers that the class is made for, such as dual_clip of DualClipPPO. Numbers have four significant digits. "
    "Everything else is as in the baseline; the study file is below."
)
NAMES = " The name is that of the arm in the study file, in folders, tables and commands."


def arms(study: Study, summary: Summary) -> Section:
    """A row for each arm.

    :param study: the study
    :param summary: its numbers
    """
    heads, sources = arm_cells(summary), {imported_name(*item): item[1] for item in study.imported.items()}
    named = any(summary.labels[arm] != arm for arm in summary.arms)
    rows = []
    for arm in summary.arms:
        described = (
            ["imported", f"runs in {sources[arm].folder.name}"]
            if arm in sources
            else [study.arms[arm].algorithm.rpartition(".")[2], _differences(study, arm)]
        )
        rows.append([heads[arm], *([Cell(arm)] if named else []), *map(Cell, described)])
    return Section(
        "Arms",
        table=Table(["arm", *(["name"] if named else []), "class", f"differs from {summary.baseline} in"], rows, 0),
        notes=[NOTE + NAMES if named else NOTE],
    )


def _differences(study: Study, arm: str) -> str:
    """What an arm sets differently from the baseline, with the environment where that is not the same everywhere."""
    if arm == study.baseline:
        return "baseline"
    seed = study.seeds[0]
    found = {
        name: _written(different(study.run(arm, name, seed), study.run(study.baseline, name, seed)))
        for name in study.environments
    }
    nothing = (
        "nothing" if study.arms[arm].algorithm == study.arms[study.baseline].algorithm else "nothing but the class"
    )
    found = {name: text or nothing for name, text in found.items()}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return "; ".join(f"on {plain_id(name)}: {text}" for name, text in found.items())


def different(run: Run, baseline: Run) -> dict[str, Any]:
    """Settings and arguments of a run that are not those of the baseline.

    An argument that only one of both classes has counts when the study gives it, or when a named class such as
    ``DualClipPPO`` has it for its own; what such a class fixes counts too.

    :param run: of an arm
    :param baseline: that of the baseline, in the same environment
    """
    pairs = {name: (getattr(run, name), getattr(baseline, name)) for name in SETTINGS}
    settings = {name: _changed(mine, theirs) for name, (mine, theirs) in pairs.items() if mine != theirs}
    theirs, mine = _arguments(baseline), _arguments(run)
    known = {name: value for name, value in mine.items() if name in {*run.arguments, *theirs, *_own_numbers(run)}}
    # The harness switches this log on wherever a class has it.
    known.pop("log_kl", None)
    changed = {name: value for name, value in known.items() if name not in theirs or theirs[name] != value}
    if _listed(mine.get("objective")) == _listed(theirs.get("objective")):
        changed.pop("objective", None)
    return {**settings, **changed}


def _arguments(run: Run) -> dict[str, Any]:
    """The arguments of a run, with the objective that a named class fixes, or that of the stock classes."""
    arguments = {**run.defaults, **run.arguments}
    if fixed := getattr(import_algorithm(run.algorithm), "fixed_objective", None):
        return {"objective": fixed, **{name: value for name, value in arguments.items() if name != "objective"}}
    return arguments if "objective" in arguments or "clip_range" not in arguments else {**arguments, "objective": CLIP}


def _own_numbers(run: Run) -> list[str]:
    """The arguments that tell a named class from the others of this package, where their defaults are numbers."""
    algorithm = import_algorithm(run.algorithm)
    if getattr(algorithm, "fixed_objective", None) is None:
        return []
    general = constructor(VariantPPO).defaults
    own = {name: value for name, value in constructor(algorithm).defaults.items() if name not in general}
    return [name for name, value in own.items() if isinstance(value, (int, float))]


def _listed(objective: Any) -> Any:
    return [objective] if isinstance(objective, str) else objective


def _changed(mine: Any, theirs: Any) -> Any:
    """Of two dictionaries with the same keys, the entries that differ."""
    if isinstance(mine, dict) and isinstance(theirs, dict) and mine.keys() == theirs.keys():
        return {key: value for key, value in mine.items() if value != theirs[key]}
    return mine


def _written(settings: dict[str, Any]) -> str:
    """Write settings as in a study file."""
    flow: str = yaml.safe_dump(_rounded(settings), default_flow_style=True, sort_keys=False, width=10**6)
    return flow.strip()[1:-1]


def _rounded(value: Any) -> Any:
    """Numbers with four significant digits: a search for arguments finds some with seventeen."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return {key: _rounded(one) for key, one in value.items()} if isinstance(value, dict) else value
