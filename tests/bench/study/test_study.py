from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.validation import StudyMistakes, load_study
from tests.bench.conftest import WriteStudy

FULL = {
    "name": "full",
    "total_timesteps": 1000,
    "seeds": 2,
    "n_envs": 2,
    "evaluation": {"every": 100, "episodes": 3, "last": 2},
    "arguments": {"n_steps": 10, "gamma": 0.9, "batch_size": 5},
    "environments": {
        "CartPole-v1": {"n_envs": 4, "arguments": {"n_steps": 20, "gamma": 0.8}},
        "Pendulum-v1": {"total_timesteps": 5000, "normalize": {"norm_reward": False}, "policy": "CustomPolicy"},
    },
    "arms": {
        "late": {"algorithm": "stable_baselines3.PPO", "arguments": {"gamma": 0.7}},
        "other": {"algorithm": "stable_baselines3.A2C", "policy": "OtherPolicy"},
    },
}


def mistakes(path: Path) -> list[str]:
    with pytest.raises(StudyMistakes) as caught:
        load_study(path)
    return caught.value.mistakes


def test_baseline_is_always_there_and_first() -> None:
    study = Study.model_validate(FULL)
    assert list(study.arms) == ["ppo", "late", "other"]
    assert study.arms["ppo"].algorithm == "stable_baselines3.PPO"


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


def test_runs_begin_with_the_first_seed_of_everything() -> None:
    runs = Study.model_validate({**FULL, "seeds": [5, 3]}).runs()
    assert [(run.seed, run.environment, run.arm) for run in runs[:4]] == [
        (5, "CartPole-v1", "ppo"),
        (5, "CartPole-v1", "late"),
        (5, "CartPole-v1", "other"),
        (5, "Pendulum-v1", "ppo"),
    ]
    assert [run.seed for run in runs] == [5] * 6 + [3] * 6


def test_identity_is_of_the_configuration_and_nothing_else() -> None:
    study = Study.model_validate(FULL)
    run = study.run("late", "CartPole-v1", 0)
    assert len(run.identity) == 10
    assert replace(run, arm="renamed").identity == run.identity
    scored_otherwise = Study.model_validate({**FULL, "evaluation": {"every": 100, "episodes": 3, "last": 1}})
    assert scored_otherwise.run("late", "CartPole-v1", 0).identity == run.identity
    others = [
        replace(run, seed=1),
        replace(run, total_timesteps=1001),
        replace(run, arguments={**run.arguments, "gamma": 0.71}),
        replace(run, defaults={**run.defaults, "clip_range": 0.3}),
        replace(run, evaluation_episodes=4),
        replace(run, environment="CartPole-v0"),
    ]
    assert len({run.identity, *(other.identity for other in others)}) == 7


def test_identity_does_not_depend_on_the_order_of_arguments() -> None:
    run = Study.model_validate(FULL).run("late", "CartPole-v1", 0)
    turned = replace(run, arguments=dict(reversed(run.arguments.items())))
    assert turned.identity == run.identity


def test_names_with_separators_become_file_names() -> None:
    run = replace(Study.model_validate(FULL).run("ppo", "CartPole-v1", 3), environment="my_package:ns/Task-v0")
    assert run.folder_name == f"my_package-ns-Task-v0_3-{run.identity}"


def test_numbers_are_read_as_a_person_means_them(write_study: WriteStudy) -> None:
    study = load_study(
        write_study("""
            name: numbers
            total_timesteps: 1e3
            seeds: 1
            evaluation: {every: 1_00}
            arguments: {learning_rate: 3e-4, device: cpu}
            environments: [CartPole-v1]
        """)
    )
    assert study.total_timesteps == 1000
    assert study.evaluation.every == 100
    assert study.arguments["learning_rate"] == 0.0003


def test_all_mistakes_at_once_with_their_places(write_study: WriteStudy) -> None:
    found = mistakes(
        write_study("""
            name: wrong
            total_timesteps: -5
            seeds: [1, 1]
            n_env: 2
            evaluation: {every: 500, episodes: 0}
            arguments: {n_step: 8, seed: 1}
            normalize: {norm_obz: true}
            environments:
              CartPole-v1: {random_score: 22.0, arguments: {clip_rang: 0.1}}
            arms:
              ppo: {algorithm: stable_baselines3.A2C}
              figures: {algorithm: stable_baselines3.PPO}
              gone: {algorithm: stable_baselines3.Gone}
              mine: {algorithm: stable_baselines3.PPO, arguments: {clip_ragne: 0.1}}
        """)
    )
    assert set(found) >= {
        "total_timesteps: Input should be greater than 0 (given: -5)",
        "seeds: must be a number of seeds, 1 or more, or a list of different seeds",
        "n_env: unknown key; did you mean n_envs?",
        "evaluation.episodes: Input should be greater than 0 (given: 0)",
        "arguments.seed: seeds are set by the study's own key seeds",
        "arguments.n_step: unknown argument of PPO (arm mine); did you mean n_steps?",
        "normalize.norm_obz: unknown argument of VecNormalize; did you mean norm_obs?",
        "environments.CartPole-v1: give both random_score and reference_score, or neither",
        "arms: figures is the name of a folder of the study, choose another name for the arm",
        "arms.ppo.algorithm: the baseline is stable_baselines3.PPO; give stable_baselines3.A2C another name",
        "arms.gone.algorithm: cannot import stable_baselines3.Gone: module stable_baselines3 has no Gone",
        "arms.mine.arguments.clip_ragne: unknown argument of PPO; did you mean clip_range?",
    }


def test_a_named_class_says_which_argument_is_unknown(write_study: WriteStudy) -> None:
    found = mistakes(
        write_study("""
            name: named
            total_timesteps: 1000
            seeds: 1
            evaluation: {every: 100}
            environments: [CartPole-v1]
            arms:
              dual_clip: {algorithm: sb3_ppo_variants.DualClipPPO, arguments: {dual_clp: 3.0}}
        """)
    )
    assert found == ["arms.dual_clip.arguments.dual_clp: unknown argument of DualClipPPO; did you mean dual_clip?"]


def test_what_only_building_can_tell(write_study: WriteStudy) -> None:
    found = mistakes(
        write_study("""
            name: built
            total_timesteps: 1000
            seeds: 1
            evaluation: {every: 100}
            arguments: {device: cpu}
            environments: [CartPole-v1, NoSuchTask-v7]
            arms:
              one: {algorithm: stable_baselines3.PPO, arguments: {batch_size: 1}}
              open: {algorithm: sb3_ppo_variants.VariantPPO, arguments: {objective: [clip], dual_clp: 3.0}}
        """)
    )
    assert len(found) == 3
    assert found[0].startswith("arms.one: on CartPole-v1: AssertionError: `batch_size` must be greater than 1")
    assert found[1].startswith("arms.open.arguments.dual_clp: on CartPole-v1: ")
    assert found[2].startswith("environments.NoSuchTask-v7: NameNotFound")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name: a\nname: b\n", "'name' is said twice"),
        ("name: [", "not YAML"),
        ("- name", "a study is a mapping"),
    ],
)
def test_files_that_are_no_studies(write_study: WriteStudy, text: str, part: str) -> None:
    (found,) = mistakes(write_study(text))
    assert part in found


def test_anchors_and_merge_keys(write_study: WriteStudy) -> None:
    study = load_study(
        write_study("""
            name: merged
            total_timesteps: 1000
            seeds: 1
            evaluation: {every: 100}
            arguments: {device: cpu}
            environments: [CartPole-v1]
            arms:
              one: {algorithm: stable_baselines3.PPO, arguments: &one {gamma: 0.9, n_epochs: 3}}
              two: {algorithm: stable_baselines3.PPO, arguments: {<<: *one, gamma: 0.8}}
        """)
    )
    assert study.run("two", "CartPole-v1", 0).arguments == {"device": "cpu", "gamma": 0.8, "n_epochs": 3}


def test_a_missing_file(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path / "nowhere.yaml")
    assert found.endswith("nowhere.yaml: No such file or directory")


def test_too_few_evaluations_for_a_score(write_study: WriteStudy) -> None:
    with pytest.raises(ValueError, match="fewer than the 3 evaluations"):
        Study.model_validate({**FULL, "evaluation": {"every": 400}})
    found = mistakes(
        write_study("""
            name: parallel
            total_timesteps: 1000
            seeds: 1
            n_envs: 4
            evaluation: {every: 3}
            environments: [CartPole-v1]
            arms:
              narrow: {algorithm: stable_baselines3.PPO, n_envs: 2}
        """)
    )
    assert found == [
        "environments.CartPole-v1: an evaluation every 3 steps is less than one step of the 4 environments of arm ppo"
    ]


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


def test_dotted_arguments_reach_into_nested_ones(write_study: WriteStudy) -> None:
    arms = {
        "deep": {"algorithm": "stable_baselines3.PPO", "arguments": {"policy_kwargs.net_arch": [8, 8]}},
        "whole": {"algorithm": "stable_baselines3.PPO", "arguments": {"policy_kwargs": {"net_arch": [4]}}},
    }
    study = Study.model_validate({**FULL, "arguments": {"policy_kwargs": {"ortho_init": False}}, "arms": arms})
    assert study.run("deep", "CartPole-v1", 0).arguments["policy_kwargs"] == {"ortho_init": False, "net_arch": [8, 8]}
    assert study.run("whole", "CartPole-v1", 0).arguments["policy_kwargs"] == {"net_arch": [4]}
    assert study.run("ppo", "CartPole-v1", 0).arguments["policy_kwargs"] == {"ortho_init": False}
    found = mistakes(
        write_study("""
            name: through
            total_timesteps: 1000
            seeds: 1
            evaluation: {every: 100}
            environments: [CartPole-v1]
            arms:
              through: {algorithm: stable_baselines3.PPO, arguments: {n_steps: 8, n_steps.net_arch: 2}}
        """)
    )
    assert found == [
        "arms.through: on CartPole-v1: n_steps.net_arch: n_steps is 8, not a mapping that it could reach into"
    ]


def test_the_harness_asks_for_the_exact_kl_where_it_can() -> None:
    arms = {
        "variant": {"algorithm": "sb3_ppo_variants.DualClipPPO"},
        "quiet": {"algorithm": "sb3_ppo_variants.DualClipPPO", "arguments": {"log_kl": False}},
    }
    study = Study.model_validate({**FULL, "arms": arms})
    assert study.run("variant", "CartPole-v1", 0).arguments["log_kl"] is True
    assert study.run("quiet", "CartPole-v1", 0).arguments["log_kl"] is False
    assert "log_kl" not in study.run("ppo", "CartPole-v1", 0).arguments
