"""The variants among RL Zoo's algorithms, against the installed rl_zoo3."""

from __future__ import annotations

import pytest

from sb3_ppo_variants.zoo.algorithms import ALGORITHMS


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_trial_read_back_is_what_was_sampled(name: str) -> None:
    pytest.importorskip("rl_zoo3")
    optuna = pytest.importorskip("optuna")
    from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER

    from sb3_ppo_variants.zoo.register import register

    register()
    trial = optuna.create_study().ask()
    sampled = HYPERPARAMS_SAMPLER[name](trial, 2, 1, {})
    assert HYPERPARAMS_CONVERTER[name](trial.params) == sampled
    policy = "MlpLstmPolicy" if "recurrent" in name else "MlpPolicy"
    ALGORITHMS[name](policy, "CartPole-v1", **sampled)
    own = {"dual_clip": {"dual_clip"}, "kl_penalty": {"kl_coef", "desired_kl"}, "adaptive_clip": {"desired_kl"}}
    variant = name.removeprefix("maskable_").removeprefix("recurrent_").removesuffix("_ppo")
    assert sampled.keys() & {"dual_clip", "kl_coef", "desired_kl"} == own.get(variant, set())
