from __future__ import annotations

from pathlib import Path

import pytest

from sb3_ppo_variants.bench.study.study import Study
from tests.bench.studies import FULL


def test_an_arm_wins_over_its_environment_and_that_over_the_study() -> None:
    study = Study.model_validate(FULL)
    assert study.run("late", "CartPole-v1", 0).arguments == {"n_steps": 20, "gamma": 0.7, "batch_size": 5}
    assert study.run("late", "Pendulum-v1", 0).arguments == {"n_steps": 10, "gamma": 0.7, "batch_size": 5}
    assert study.run("ppo", "CartPole-v1", 0).arguments == {"n_steps": 20, "gamma": 0.8, "batch_size": 5}


def test_overrides_of_an_environment() -> None:
    study = Study.model_validate(FULL)
    cart_pole, pendulum = study.run("ppo", "CartPole-v1", 0), study.run("late", "Pendulum-v1", 0)
    assert (cart_pole.n_envs, cart_pole.total_timesteps, cart_pole.policy) == (4, 1000, "MlpPolicy")
    assert (pendulum.n_envs, pendulum.total_timesteps, pendulum.policy) == (2, 5000, "CustomPolicy")
    assert study.run("other", "Pendulum-v1", 0).policy == "OtherPolicy"
    assert cart_pole.normalize is None
    assert pendulum.normalize is not None
    # Rewards are discounted by VecNormalize as by the algorithm.
    assert (pendulum.normalize["norm_obs"], pendulum.normalize["norm_reward"]) == (True, False)
    assert pendulum.normalize["gamma"] == 0.7


def test_what_each_level_may_say() -> None:
    study = Study.model_validate(
        {
            **FULL,
            "vec_env": "subproc",
            "env_kwargs": {"render_mode": "rgb_array"},
            "frame_stack": 2,
            "environments": {
                "CartPole-v1": {"vec_env": "dummy", "env_wrapper": "gymnasium.wrappers.TimeAwareObservation"},
                "Pendulum-v1": {
                    "frame_stack": 3,
                    "env_kwargs": {"g": 9.81},
                    "evaluation": {"every": 50, "deterministic": False},
                },
            },
            "arms": {"wide": {"algorithm": "stable_baselines3.PPO", "n_envs": 8, "normalize": True}},
        }
    )
    cart_pole, pendulum = study.run("wide", "CartPole-v1", 0), study.run("ppo", "Pendulum-v1", 0)
    assert (cart_pole.vec_env, cart_pole.frame_stack, cart_pole.env_kwargs) == (
        "dummy",
        2,
        {"render_mode": "rgb_array"},
    )
    assert cart_pole.env_wrapper == [{"gymnasium.wrappers.TimeAwareObservation": {}}]
    assert (cart_pole.n_envs, cart_pole.normalize is None, cart_pole.evaluation_deterministic) == (8, False, True)
    assert (pendulum.vec_env, pendulum.frame_stack, pendulum.env_kwargs) == ("subproc", 3, {"g": 9.81})
    assert (pendulum.n_envs, pendulum.normalize, pendulum.evaluation_deterministic) == (2, None, False)
    assert (pendulum.evaluation_every, pendulum.evaluation_episodes) == (50, 10)


def test_callbacks_of_a_more_specific_level_replace_the_others(tmp_path: Path) -> None:
    (tmp_path / "ppo.yml").write_text("CartPole-v1: {callback: a.Tuned}\nPendulum-v1: {n_steps: 8}\n")
    ppo = {"algorithm": "stable_baselines3.PPO"}
    arms = {
        "none": {**ppo, "callbacks": []},
        "own": {**ppo, "callbacks": {"a.Own": {"x": 1}}},
        "grid": {**ppo, "grid": {"callbacks": {"without": None, "with": "a.Grid"}}},
        "tuned": {**ppo, "hyperparams": str(tmp_path / "ppo.yml")},
    }
    environments = {"CartPole-v1": {"callbacks": ["a.Environment"]}, "Pendulum-v1": {}}
    study = Study.model_validate({**FULL, "callbacks": "a.Study", "environments": environments, "arms": arms})
    assert study.run("ppo", "CartPole-v1", 0).callbacks == [{"a.Environment": {}}]
    assert study.run("ppo", "Pendulum-v1", 0).callbacks == [{"a.Study": {}}]
    assert study.run("own", "CartPole-v1", 0).callbacks == [{"a.Own": {"x": 1}}]
    assert study.run("grid,callbacks=with", "CartPole-v1", 0).callbacks == [{"a.Grid": {}}]
    assert study.run("tuned", "CartPole-v1", 0).callbacks == [{"a.Tuned": {}}]
    assert study.run("tuned", "Pendulum-v1", 0).callbacks == [{"a.Study": {}}]
    # Without any a run is the one that it was before there were callbacks.
    without = Study.model_validate({**FULL, "environments": environments | {"CartPole-v1": {}}, "arms": {"none": ppo}})
    for arm in ("none", "grid,callbacks=without"):
        run = study.run(arm, "CartPole-v1", 0)
        assert run.callbacks is None
        assert "callbacks" not in run.hashed_json
        assert (
            run.identity
            == without.run("none", "CartPole-v1", 0).identity
            != study.run("own", "CartPole-v1", 0).identity
        )


def test_the_harness_asks_for_the_exact_kl_where_it_can() -> None:
    arms = {
        "variant": {"algorithm": "sb3_ppo_variants.DualClipPPO"},
        "quiet": {"algorithm": "sb3_ppo_variants.DualClipPPO", "arguments": {"log_kl": False}},
    }
    study = Study.model_validate({**FULL, "arms": arms})
    assert study.run("variant", "CartPole-v1", 0).arguments["log_kl"] is True
    assert study.run("quiet", "CartPole-v1", 0).arguments["log_kl"] is False
    assert "log_kl" not in study.run("ppo", "CartPole-v1", 0).arguments


def test_dotted_arguments_reach_into_nested_ones() -> None:
    arms = {
        "deep": {"algorithm": "stable_baselines3.PPO", "arguments": {"policy_kwargs.net_arch": [8, 8]}},
        "whole": {"algorithm": "stable_baselines3.PPO", "arguments": {"policy_kwargs": {"net_arch": [4]}}},
        "through": {"algorithm": "stable_baselines3.PPO", "arguments": {"n_steps": 8, "n_steps.net_arch": 2}},
    }
    study = Study.model_validate({**FULL, "arguments": {"policy_kwargs": {"ortho_init": False}}, "arms": arms})
    assert study.run("deep", "CartPole-v1", 0).arguments["policy_kwargs"] == {"ortho_init": False, "net_arch": [8, 8]}
    assert study.run("whole", "CartPole-v1", 0).arguments["policy_kwargs"] == {"net_arch": [4]}
    assert study.run("ppo", "CartPole-v1", 0).arguments["policy_kwargs"] == {"ortho_init": False}
    with pytest.raises(ValueError, match="n_steps is 8, not a mapping that it could reach into"):
        study.run("through", "CartPole-v1", 0)
