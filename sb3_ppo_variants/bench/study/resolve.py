"""The settings of a study, an environment and an arm -> the configuration of one run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.vec_env import VecNormalize

from sb3_ppo_variants.bench.study.constructors import constructor, import_algorithm, merge_arguments, to_json
from sb3_ppo_variants.bench.study.hyperparameters import TASK_KEYS, Hyperparameters, hyperparameters
from sb3_ppo_variants.bench.study.keys import Arm, EvaluationSettings, Normalize, Settings, TaskSettings
from sb3_ppo_variants.bench.study.run import Run

# Arguments that say how a run is made and not how it learns: a yml of hyperparameters does not replace them.
TECHNICAL = ("device", "log_kl", "verbose")
VEC_NORMALIZE_DEFAULTS = {
    parameter.name: to_json(parameter.default)
    for parameter in inspect.signature(VecNormalize).parameters.values()
    if parameter.default is not parameter.empty
}
# The settings of the study, of the environment and of the arm: the later one wins.
Levels = tuple[TaskSettings, TaskSettings, Arm]


def resolve(
    arm: str,
    environment: str,
    seed: int,
    total_timesteps: int,
    evaluation: EvaluationSettings,
    levels: Levels,
    found: Mapping[str, Any],
) -> Run:
    """Resolve one run.

    :param found: arguments that a search found, which win over those of all levels
    :raises ValueError: when hyperparameters cannot be found, or a dotted argument reaches into no mapping
    """
    study, in_environment, in_arm = levels
    tuned, above = _source(levels, environment)
    below = levels[: len(levels) - len(above)]
    accepted = constructor(import_algorithm(in_arm.algorithm))
    arguments = merge_arguments([_technical(below), tuned.arguments, *(level.arguments for level in above), found])
    if "log_kl" in accepted.names:
        arguments.setdefault("log_kl", True)
    gamma = arguments.get("gamma", accepted.defaults.get("gamma"))
    normalize = _most_specific("normalize", above, tuned.normalize)
    task = {name: _most_specific(name, (study, in_environment), getattr(tuned, name)) for name in TASK_KEYS}
    return Run(
        arm=arm,
        algorithm=in_arm.algorithm,
        policy=_most_specific("policy", above, tuned.policy),
        environment=environment,
        env_kwargs=to_json(task["env_kwargs"] or {}),
        seed=seed,
        total_timesteps=total_timesteps,
        n_envs=_most_specific("n_envs", above, tuned.n_envs),
        normalize=_normalize(normalize, gamma),
        evaluation_every=evaluation.every,
        evaluation_episodes=evaluation.episodes,
        arguments=to_json(accepted.in_kind(arguments)),
        defaults={name: value for name, value in accepted.defaults.items() if name not in arguments},
        vec_env=_most_specific("vec_env", (study, in_environment), "dummy"),
        env_wrapper=to_json(task["env_wrapper"]) or None,
        vec_env_wrapper=to_json(task["vec_env_wrapper"]) or None,
        frame_stack=task["frame_stack"],
        evaluation_deterministic=evaluation.deterministic,
        # No hyperparameters: those of levels below a yml apply, where it has none itself.
        callbacks=to_json(_most_specific("callbacks", (*below, tuned, *above), None)) or None,
    )


def _source(levels: Levels, environment: str) -> tuple[Hyperparameters, tuple[Settings, ...]]:
    """Return the yml's hyperparameters of the most specific level that names one, and the levels that win over it."""
    for position in reversed(range(len(levels))):
        source = levels[position].hyperparams
        if source is not None:
            return hyperparameters(source, levels[-1].algorithm, environment), levels[position:]
    return Hyperparameters(), levels


def _technical(below: tuple[Settings, ...]) -> dict[str, Any]:
    """Return what levels below a yml still say: it is a complete set, what it leaves out has the class's default."""
    arguments = merge_arguments([level.arguments for level in below])
    return {name: value for name, value in arguments.items() if name in TECHNICAL}


def _most_specific(name: str, levels: tuple[Settings | Hyperparameters, ...], default: Any) -> Any:
    values = [getattr(level, name) for level in levels if getattr(level, name) is not None]
    return values[-1] if values else default


def _normalize(normalize: Normalize, gamma: float | None) -> dict[str, Any] | None:
    """Complete the arguments of VecNormalize; rewards are scaled with the discount of the algorithm."""
    if normalize is False:
        return None
    written = {} if normalize is True else dict(normalize)
    discount = {} if gamma is None else {"gamma": gamma}
    return {**VEC_NORMALIZE_DEFAULTS, **discount, **written}
