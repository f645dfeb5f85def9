"""What a valid study file may still have wrong: names of arguments, and what only building its runs can tell."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants.bench.runs.callbacks import make_callback
from sb3_ppo_variants.bench.runs.environments import allowed_action, make_env
from sb3_ppo_variants.bench.runs.train import make_model
from sb3_ppo_variants.bench.statistics.decisions import can_decide
from sb3_ppo_variants.bench.study.arms import AXES
from sb3_ppo_variants.bench.study.constructors import Constructor, constructor, import_algorithm
from sb3_ppo_variants.bench.study.dotted import Dotted
from sb3_ppo_variants.bench.study.hyperparameters import TASK_KEYS
from sb3_ppo_variants.bench.study.keys import Arm, Settings
from sb3_ppo_variants.bench.study.places import elsewhere
from sb3_ppo_variants.bench.study.resolve import VEC_NORMALIZE_DEFAULTS
from sb3_ppo_variants.bench.study.run import Run, plain_id
from sb3_ppo_variants.bench.study.space import examples
from sb3_ppo_variants.bench.study.study import STOCK, STOCK_ALGORITHM, Study
from sb3_ppo_variants.bench.study.tune import space_mistakes
from sb3_ppo_variants.bench.table.imported import read_imported
from sb3_ppo_variants.imports import import_module
from sb3_ppo_variants.messages import did_you_mean, warn_user

VEC_NORMALIZE = Constructor(
    names=tuple(VEC_NORMALIZE_DEFAULTS), defaults=VEC_NORMALIZE_DEFAULTS, hashed=frozenset(), open_ended=False
)
# Arguments of the algorithms that a study sets by itself.
OWN_ARGUMENTS = {
    "seed": "seeds are set by the study's own key seeds",
    "tensorboard_log": "every run logs into its own folder, to progress.csv; say trackers: [tensorboard]",
}
# The arm need not be in the file.
OF_STOCK = f"; {STOCK} is stock PPO with the settings of the study: write those of other classes at their arms"
EVALUATED = "vec_env: envpool evaluates in Gymnasium's environment, which cannot be made: "
# The places in a study file at which arguments are named, each with the names.
Places = Iterator[tuple[str, Iterable[str]]]


def argument_mistakes(study: Study) -> Iterator[str]:
    """Check the classes of a study, the names of all arguments, and whether its seeds can decide anything."""
    if study.until_decided and not can_decide(list(study.arms), len(study.environments), study.until_decided):
        yield (
            f"seeds: with {study.until_decided.most} seeds no arm can be shown to differ, not even those that win "
            "every comparison with the baseline; raise seeds.to"
        )
    yield from space_mistakes(study.tune, study.written_arms, study.seeds)
    for name, arm in study.written_arms.items():
        for path in arm.algorithms:
            try:
                algorithm = import_algorithm(path)
            except Exception as error:
                yield f"arms.{name}.algorithm: cannot import {path}: {error}"
                continue
            if name == STOCK and algorithm is not import_algorithm(STOCK_ALGORITHM):
                yield f"arms.{name}.algorithm: {name} is {STOCK_ALGORITHM}; give {path} another name"
            accepted = constructor(algorithm)
            for place, names in _shared_arguments(study):
                yield from _unknown_arguments(place, names, accepted, f"{algorithm.__name__} (arm {name})")
            for place, names in _arguments_of(name, arm):
                yield from _unknown_arguments(place, names, accepted, algorithm.__name__)
    for place, names in _normalize_arguments(study):
        yield from _unknown_arguments(place, names, VEC_NORMALIZE, "VecNormalize")


def _shared_arguments(study: Study) -> Places:
    yield "arguments", study.arguments
    if study.tune:
        yield "tune.space", study.tune.space
    for name, environment in study.environments.items():
        yield f"environments.{name}.arguments", environment.arguments


def _arguments_of(name: str, arm: Arm) -> Places:
    yield f"arms.{name}.arguments", arm.arguments
    yield f"arms.{name}.space", arm.space
    for combination in arm.combinations[:1]:
        yield f"arms.{name}.grid", [axis for axis in combination.values if axis not in AXES]
    for part, arguments in arm.ablate.parts.items() if arm.ablate else ():
        yield f"arms.{name}.ablate.parts.{part}", arguments


def _normalize_arguments(study: Study) -> Places:
    levels: dict[str, Settings] = {"normalize": study}
    levels |= {f"arms.{name}.normalize": arm for name, arm in study.written_arms.items()}
    levels |= {f"environments.{name}.normalize": environment for name, environment in study.environments.items()}
    for place, settings in levels.items():
        if isinstance(settings.normalize, dict):
            yield place, settings.normalize


def _unknown_arguments(place: str, arguments: Iterable[str], accepted: Constructor, owner: str) -> Iterator[str]:
    for name in arguments:
        argument = name.partition(".")[0]
        if argument in OWN_ARGUMENTS:
            yield f"{place}.{argument}: {OWN_ARGUMENTS[argument]}"
        elif argument not in accepted.names and not accepted.open_ended:
            yield f"{place}.{name}: unknown argument of {owner}{elsewhere(argument, accepted)}"


def resolution_mistakes(study: Study) -> Iterator[str]:
    """Resolve every arm on every environment, and make each callback once."""
    tried: list[dict[str, Any]] = []
    for environment in study.environments:
        for arm in study.arms:
            try:
                runs = list(_examples(study, arm, environment))
            except ValueError as error:
                yield f"arms.{arm}: on {environment}: {error}"
                continue
            accepted = constructor(import_algorithm(runs[0].algorithm))
            for name, value in (item for run in runs for item in run.arguments.items()):
                if wanted := accepted.wanted(name, value):
                    yield f"arms.{arm}: on {environment}: {name} is {value!r}; give {wanted}"
            new = [callback for callback in runs[0].callbacks or [] if callback not in tried]
            tried += new
            yield from _callback_mistakes(new)


def _callback_mistakes(listed: Dotted) -> Iterator[str]:
    for path, arguments in ((path, arguments) for callback in listed for path, arguments in callback.items()):
        try:
            make_callback(path, arguments)
        except (Exception, SystemExit) as error:
            yield f"callbacks.{path}: {_one_line(error)}"


def run_mistakes(study: Study) -> Iterator[str]:
    """Build every arm on every environment once, with the functions that a run uses."""
    for tracker in study.trackers:
        if importlib.util.find_spec(tracker) is None:
            yield f'trackers.{tracker}: is not installed: pip install "sb3-ppo-variants[{tracker}]"'
    if study.tune and importlib.util.find_spec("optuna") is None:
        yield 'tune: optuna is not installed: pip install "sb3-ppo-variants[tune]"'
    for imported in read_imported(study):
        for mistake in imported.mistakes():
            yield f"imported.{imported.name}: {mistake}"
    made: dict[str, str] = {}
    warned: dict[str, list[str]] = {}
    for environment in study.environments:
        runs = [run for arm in study.arms for run in _examples(study, arm, environment)]
        for mistake in (*_evaluation_mistakes(runs), *_task_mistakes(runs)):
            yield f"environments.{environment}: {mistake}"
        keys = [f"{run.n_envs}, {run.normalize}, {[getattr(run, name) for name in TASK_KEYS]}" for run in runs]
        for key in dict.fromkeys(keys):
            alike = [run for run, other in zip(runs, keys, strict=True) if other == key]
            yield from _construction_mistakes(alike, made, warned)
    for message, arms in warned.items():
        warn_user(f"{', '.join(dict.fromkeys(arms))}: {message}")


def _examples(study: Study, arm: str, environment: str) -> Iterator[Run]:
    """A run of an arm, and with a search those with the ends of its axes and with each choice."""
    yield study.run(arm, environment, study.seeds[0])
    if study.tune:
        for arguments in examples(study.space(arm)):
            yield study.run(arm, environment, study.tune.run_seeds[0], arguments)


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
    try:
        if module := runs[0].environment.rpartition(":")[0]:
            import_module(module)
        # Neither more of them nor their processes are needed to see whether one can be made.
        env = make_env(replace(runs[0], n_envs=1, vec_env="dummy"))
        _step(env)
        spec = env.get_attr("unwrapped")[0].spec
        _pretend(env, runs[0].n_envs)
    except (Exception, SystemExit) as error:
        evaluated = EVALUATED if runs[0].vec_env == "envpool" else ""
        yield f"environments.{runs[0].environment}: {evaluated}{_one_line(error)}{_advice(runs[0].environment, error)}"
        return
    written = plain_id(runs[0].environment)
    if spec and spec.id != written:
        warn_user(
            f"environments.{written}: gymnasium makes {spec.id}, and a later one may make another version; write "
            f"{spec.id}"
        )
    if runs[0].vec_env == "envpool":
        yield from _envpool_mistakes(runs[0], env)
    first = made.setdefault(spec.id, runs[0].environment) if spec else runs[0].environment
    if first != runs[0].environment:
        yield f"environments: {first} and {runs[0].environment} are the same environment"
    for run in runs:
        mistake = None
        # A warning does not know of which arm it is.
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            try:
                make_model(run, env)
            except (Exception, SystemExit) as error:
                mistake = _blamed(run, error)
        if mistake:
            yield mistake
        # Others, such as those of deprecation, are for the authors of packages, and Python hides most of them.
        for warning in (each for each in given if each.category is UserWarning):
            warned.setdefault(str(warning.message), []).append(f"arms.{run.arm}")
    env.close()


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
        yield f"{place} {_one_line(error)}"
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
    message = _one_line(error)
    for name in run.arguments:
        if name not in accepted.names and re.search(rf"\b{re.escape(name)}\b", message):
            near = did_you_mean(name, accepted.names)
            return f"arms.{run.arm}.arguments.{name}: on {run.environment}: {message}{near}"
    return f"arms.{run.arm}: on {run.environment}: {message}{OF_STOCK if run.arm == STOCK else ''}"


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
