"""The variants among RL Zoo's algorithms, with their samplers for Optuna."""

from __future__ import annotations

from functools import partial
from typing import Any

import optuna
from rl_zoo3.hyperparams_opt import (
    HYPERPARAMS_CONVERTER,
    HYPERPARAMS_SAMPLER,
    convert_onpolicy_params,
    sample_ppo_params,
)
from rl_zoo3.utils import ALGOS

from sb3_ppo_variants.variants import AdaptiveClip, DualClip, KLPenalty
from sb3_ppo_variants.zoo.algorithms import ALGORITHMS


def register() -> None:
    """Add the variants to RL Zoo's algorithms, samplers and converters; a second call changes nothing."""
    for name, algorithm in ALGORITHMS.items():
        ALGOS[name] = algorithm
        HYPERPARAMS_SAMPLER[name] = partial(_sample, algorithm)
        HYPERPARAMS_CONVERTER[name] = convert_onpolicy_params


def _sample(
    algorithm: type, trial: optuna.Trial, n_actions: int, n_envs: int, additional_args: dict[str, Any]
) -> dict[str, Any]:
    """RL Zoo's search space of PPO and the variant's own coefficients, under the names that its converter keeps."""
    return {**sample_ppo_params(trial, n_actions, n_envs, additional_args), **_own_coefficients(algorithm, trial)}


def _own_coefficients(algorithm: type, trial: optuna.Trial) -> dict[str, float]:
    if issubclass(algorithm, DualClip):
        return {"dual_clip": trial.suggest_float("dual_clip", 1.5, 5.0)}
    if issubclass(algorithm, AdaptiveClip):
        return {"desired_kl": trial.suggest_float("desired_kl", 0.003, 0.03, log=True)}
    if issubclass(algorithm, KLPenalty):
        return {
            "kl_coef": trial.suggest_float("kl_coef", 0.1, 10.0, log=True),
            "desired_kl": trial.suggest_float("desired_kl", 0.003, 0.03, log=True),
        }
    return {}
