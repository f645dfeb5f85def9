"""What only resolving and building the runs of a study can tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from sb3_ppo_variants.bench.raw_checks import suggestion
from sb3_ppo_variants.bench.runs.environments import make_env
from sb3_ppo_variants.bench.runs.train import make_model
from sb3_ppo_variants.bench.study.constructors import constructor, import_algorithm
from sb3_ppo_variants.bench.study.hyperparameters import TASK_KEYS
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.imported import read_imported


def run_mistakes(study: Study) -> Iterator[str]:
    """Resolve every arm on every environment and build it once, with the functions that a run uses."""
    for imported in read_imported(study):
        for mistake in imported.mistakes():
            yield f"imported.{imported.name}: {mistake}"
    for environment in study.environments:
        runs = []
        for arm in study.arms:
            try:
                runs.append(study.run(arm, environment, study.seeds[0]))
            except ValueError as error:
                yield f"arms.{arm}: on {environment}: {error}"
        for mistake in (*_evaluation_mistakes(runs), *_task_mistakes(runs)):
            yield f"environments.{environment}: {mistake}"
        # One process each is not needed to see whether an environment can be made.
        keys = [f"{run.n_envs}, {run.normalize}, {[getattr(run, name) for name in TASK_KEYS]}" for run in runs]
        for key in dict.fromkeys(keys):
            alike = [replace(run, vec_env="dummy") for run, other in zip(runs, keys, strict=True) if other == key]
            yield from _construction_mistakes(alike)


def _evaluation_mistakes(runs: list[Run]) -> Iterator[str]:
    for run in runs:
        if run.evaluation_every < run.n_envs:
            yield (
                f"an evaluation every {run.evaluation_every} steps is less than one step of the {run.n_envs} "
                f"environments of arm {run.arm}"
            )


def _task_mistakes(runs: list[Run]) -> Iterator[str]:
    """Arms are compared on one task; only a yml of hyperparameters can make them differ."""
    for name in TASK_KEYS:
        for run in runs[1:]:
            mine, first = getattr(run, name), getattr(runs[0], name)
            if mine != first:
                yield (
                    f"{name} is {first} for arm {runs[0].arm} and {mine} for arm {run.arm}; say {name} for the "
                    "environment, so that all arms play the same"
                )


def _construction_mistakes(runs: list[Run]) -> Iterator[str]:
    """Build runs that have equal environments."""
    try:
        env = make_env(runs[0])
    except Exception as error:
        yield f"environments.{runs[0].environment}: {_said(error)}"
        return
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
