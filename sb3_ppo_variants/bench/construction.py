"""What only building the runs of a study can tell: its environments, its algorithms, optional packages."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants.bench.checks import example_runs, one_line
from sb3_ppo_variants.bench.runs.environments import allowed_action, make_env
from sb3_ppo_variants.bench.runs.train import make_model
from sb3_ppo_variants.bench.study.constructors import constructor, import_algorithm
from sb3_ppo_variants.bench.study.hyperparameters import TASK_KEYS
from sb3_ppo_variants.bench.study.run import Run, plain_id
from sb3_ppo_variants.bench.study.study import STOCK, Study
from sb3_ppo_variants.imports import import_module
from sb3_ppo_variants.messages import did_you_mean, warn_user

# The arm need not be in the file.
OF_STOCK = f"; {STOCK} is stock PPO with the settings of the study: write those of other classes at their arms"
EVALUATED = "vec_env: envpool evaluates in Gymnasium's environment, which cannot be made: "


def run_mistakes(study: Study) -> Iterator[str]:
    """Build every arm on every environment once, with the functions that a run uses."""
    for tracker in study.trackers:
        if importlib.util.find_spec(tracker) is None:
            yield f'trackers.{tracker}: is not installed: pip install "sb3-ppo-variants[{tracker}]"'
    if study.tune and importlib.util.find_spec("optuna") is None:
        yield 'tune: optuna is not installed: pip install "sb3-ppo-variants[tune]"'
    made: dict[str, str] = {}
    warned: dict[str, list[str]] = {}
    for environment in study.environments:
        runs = [run for arm in study.arms for run in example_runs(study, arm, environment)]
        for mistake in (*_evaluation_mistakes(runs), *_task_mistakes(runs)):
            yield f"environments.{environment}: {mistake}"
        keys = [f"{run.n_envs}, {run.normalize}, {[getattr(run, name) for name in TASK_KEYS]}" for run in runs]
        for key in dict.fromkeys(keys):
            alike = [run for run, other in zip(runs, keys, strict=True) if other == key]
            yield from _construction_mistakes(alike, made, warned)
    for message, arms in warned.items():
        warn_user(f"{', '.join(dict.fromkeys(arms))}: {message}")


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


def _construction_mistakes(runs: list[Run], made: dict[str, str], warned: dict[str, list[str]]) -> Iterator[str]:
    """Build runs that have equal environments, on one environment of which a step is tried.

    :param made: the id under which gymnasium knows each environment that was made -> its id in the study
    :param warned: what a constructor warns of -> the places of the arms that it is said of
    """
    written = runs[0].environment
    try:
        env, spec = _make_env(runs[0])
    except (Exception, SystemExit) as error:
        evaluated = EVALUATED if runs[0].vec_env == "envpool" else ""
        yield f"environments.{written}: {evaluated}{one_line(error)}{_advice(written, error)}"
        return
    if spec and spec.id != plain_id(written):
        warn_user(
            f"environments.{plain_id(written)}: gymnasium makes {spec.id}, and a later one may make another version; "
            f"write {spec.id}"
        )
    if runs[0].vec_env == "envpool":
        yield from _envpool_mistakes(runs[0], env)
    first = made.setdefault(spec.id, written) if spec else written
    if first != written:
        yield f"environments: {first} and {written} are the same environment"
    for run in runs:
        yield from _model_mistakes(run, env, warned)
    env.close()


def _make_env(run: Run) -> tuple[VecEnv, EnvSpec | None]:
    """Make one environment of a run and try a step, then let algorithms take it for as many as the run has."""
    if module := run.environment.rpartition(":")[0]:
        import_module(module)
    # Neither more of them nor their processes are needed to see whether one can be made.
    env = make_env(replace(run, n_envs=1, vec_env="dummy"))
    _step(env)
    spec: EnvSpec | None = env.get_attr("unwrapped")[0].spec
    _pretend(env, run.n_envs)
    return env, spec


def _model_mistakes(run: Run, env: VecEnv, warned: dict[str, list[str]]) -> Iterator[str]:
    """Build the algorithm of a run, and note of what it warns."""
    mistakes = []
    # A warning does not know of which arm it is.
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try:
            make_model(run, env)
        except (Exception, SystemExit) as error:
            mistakes.append(_blamed(run, error))
    yield from mistakes
    # Others, such as those of deprecation, are for the authors of packages, and Python hides most of them.
    for warning in (each for each in given if each.category is UserWarning):
        warned.setdefault(str(warning.message), []).append(f"arms.{run.arm}")


def _advice(environment: str, error: BaseException) -> str:
    """What to do about an environment that is not registered."""
    if not isinstance(error, gym.error.UnregisteredEnv):
        return ""
    module, _, name = environment.rpartition(":")
    if module:
        return f" Importing {module} does not register it; call gymnasium.register(id={name!r}, entry_point=...) there."
    return f" An environment of your own is written module:{name}, with the module that registers it."


def _envpool_mistakes(run: Run, gymnasium: VecEnv) -> Iterator[str]:
    """Try a step in EnvPool's environment, and compare its spaces with those of Gymnasium's, layers included."""
    place = f"environments.{run.environment}: vec_env: envpool:"
    try:
        env = make_env(replace(run, n_envs=1))
        _step(env)
        env.close()
    except (Exception, SystemExit) as error:
        yield f"{place} {one_line(error)}"
        return
    for name in ("observation_space", "action_space"):
        trained, judged = getattr(env, name), getattr(gymnasium, name)
        if trained != judged:
            yield f"{place} {name} is {trained}, but {judged} in Gymnasium, where evaluations take place"


def _step(env: VecEnv) -> None:
    """Reset an environment and take a random step, an allowed one where actions are masked."""
    env.reset()
    env.action_space.seed(0)
    action = env.action_space.sample()
    if is_masking_supported(env):
        action = allowed_action(env.action_space, get_action_masks(env)[0])
    env.step(np.stack([action]))


def _pretend(env: VecEnv, n_envs: int) -> None:
    """Give an environment, which takes no step any more, a number of copies that algorithms size their buffers by."""
    layer: VecEnv | None = env
    while layer is not None:
        layer.num_envs = n_envs
        layer = getattr(layer, "venv", None)


def _blamed(run: Run, error: BaseException) -> str:
    """Point at the argument that an error of a constructor names, else at the arm."""
    accepted = constructor(import_algorithm(run.algorithm))
    message = one_line(error)
    for name in run.arguments:
        if name not in accepted.names and re.search(rf"\b{re.escape(name)}\b", message):
            near = did_you_mean(name, accepted.names)
            return f"arms.{run.arm}.arguments.{name}: on {run.environment}: {message}{near}"
    return f"arms.{run.arm}: on {run.environment}: {message}{OF_STOCK if run.arm == STOCK else ''}"
