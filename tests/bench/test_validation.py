from __future__ import annotations

from pathlib import Path

import pytest

from sb3_ppo_variants.bench.validation import load_study
from tests.bench.conftest import WriteStudy
from tests.bench.studies import mistakes


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
            environments:
              CartPole-v1: {random_score: 22.0}
            arms:
              figures: {algorithm: stable_baselines3.PPO}
        """)
    )
    assert set(found) == {
        "total_timesteps: Input should be greater than 0 (given: -5)",
        "seeds: 1 is in the list more than once",
        "n_env: unknown key; did you mean n_envs?",
        "evaluation.episodes: Input should be greater than 0 (given: 0)",
        "environments.CartPole-v1: give both random_score and reference_score, or neither",
        "arms: figures is a name in the folder of the study, choose another name for the arm",
    }


def test_what_yaml_reads_as_no_text(write_study: WriteStudy) -> None:
    found = mistakes(
        write_study("""
            name: 5
            total_timesteps: 1000
            seeds: 1
            evaluation: {every: 100}
            checkpoint: 5
            environments: [{CartPole-v1: {n_envs: 2}}]
            arms:
              no: {algorithm: stable_baselines3.PPO}
        """)
    )
    quoted = "a text is needed, in quotes where YAML reads something else, such as no, 1 or null"
    assert set(found) == {
        f"name: {quoted} (given: 5)",
        "checkpoint: a mapping is needed, such as {minutes: 5} (given: 5)",
        "environments: must be a list of environment ids, or a mapping from id to overrides",
        f"arms.0: {quoted} (given: False)",
    }


def test_what_stands_in_the_wrong_place_is_sent_to_its_own(write_study: WriteStudy) -> None:
    found = mistakes(
        write_study("""
            name: misplaced
            total_timesteps: 1000
            seeds: 1
            evaluation: {every: 100}
            random_score: 20.0
            policy_kwargs.net_arch: [64]
            norm_reward: false
            environments:
              CartPole-v1: {desired_kl: 0.02}
            arms:
              mine: {algorithm: stable_baselines3.PPO, n_steps: 64, total_timesteps: 100, objectiv: clip}
        """)
    )
    below = "is an argument of the algorithm: write it below arguments"
    assert set(found) == {
        "random_score: not a key here; random_score is a key of an environment",
        f"policy_kwargs.net_arch: not a key here; policy_kwargs.net_arch {below}",
        "norm_reward: not a key here; norm_reward is an argument of VecNormalize: write it below normalize",
        f"environments.CartPole-v1.desired_kl: not a key here; desired_kl {below}",
        f"arms.mine.n_steps: not a key here; n_steps {below}",
        "arms.mine.total_timesteps: not a key here; total_timesteps is a key of the study or an environment",
        "arms.mine.objectiv: unknown key",
    }


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name: a\nname: b\n", "'name' is said twice"),
        ("arguments: {gamma: .nan}\n", ".nan is no number that anything can have"),
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


def test_what_yaml_has_no_word_for_is_said_in_those_of_yaml(write_study: WriteStudy) -> None:
    head = (
        "name: words\ntotal_timesteps: 100\nseeds: 1\nevaluation: {every: 50, last: 1}\nenvironments: [CartPole-v1]\n"
    )
    arm = "arms: {v: {algorithm: stable_baselines3.PPO, space: 4}}"
    assert mistakes(write_study(f"{head}metrics: success\ncheckpoint: 5\n{arm}\n")) == [
        "arms.v.space: a mapping is needed, such as {key: value} (given: 4)",
        "checkpoint: a mapping is needed, such as {minutes: 5} (given: 5)",
        "metrics: a list is needed, such as [one, two] (given: 'success')",
    ]


def test_near_keys_and_what_a_mapping_looks_like(write_study: WriteStudy) -> None:
    text = "name: words\ntotal_timesteps: 100\nseed: 3\nevaluation: 50\nenvironments: [CartPole-v1]\n"
    assert sorted(mistakes(write_study(f"{text}arms: {{dual: sb3_ppo_variants.DualClipPPO}}\n"))) == [
        "arms.dual: a mapping is needed, such as {algorithm: sb3_ppo_variants.DualClipPPO} "
        "(given: 'sb3_ppo_variants.DualClipPPO')",
        "evaluation: a mapping is needed, such as {every: 10_000, episodes: 10} (given: 50)",
        "seed: unknown key; did you mean seeds?",
        "seeds: is missing",
    ]


def test_a_wrong_level_of_a_grid_names_its_arm(write_study: WriteStudy) -> None:
    head = "name: grid\ntotal_timesteps: 100\nseeds: 1\nevaluation: {every: 50, last: 1}\nenvironments: [CartPole-v1]\n"
    arm = "arms: {v: {algorithm: stable_baselines3.PPO, grid: {n_envs: [1, x]}}}"
    (mistake,) = mistakes(write_study(f"{head}{arm}\n"))
    assert mistake.startswith("arms: v,n_envs=x: n_envs is 'x': ")


def test_an_ablation_without_arms(write_study: WriteStudy) -> None:
    head = "name: none\ntotal_timesteps: 100\nseeds: 1\nevaluation: {every: 50, last: 1}\nenvironments: [CartPole-v1]\n"
    ablate = "ablate: {parts: {a: {clip_range: 0.1}}, leave_one_out: false, one_added: false}"
    (mistake,) = mistakes(write_study(f"{head}arms: {{v: {{algorithm: stable_baselines3.PPO, {ablate}}}}}\n"))
    assert mistake == "arms.v.ablate: leave_one_out and one_added are both false: there would be no arm to compare"


def test_a_budget_below_one_rollout_is_warned_of(write_study: WriteStudy) -> None:
    """All arms have the same scores then, those of policies without an update."""
    text = """
        name: short
        total_timesteps: 2000
        seeds: 1
        evaluation: {every: 500, last: 1}
        environments: [CartPole-v1]
        arms:
          as_long: {algorithm: sb3_ppo_variants.VariantPPO}
          shorter: {algorithm: sb3_ppo_variants.VariantPPO, arguments: {n_steps: 1024}}
    """
    with pytest.warns(UserWarning, match="first update") as caught:
        load_study(write_study(text))
    assert [str(warning.message) for warning in caught] == [
        "arms.ppo, arms.as_long: on CartPole-v1: the first update comes after n_steps=2048 x n_envs=1 steps, and "
        "total_timesteps is 2000: no evaluation sees what is learned"
    ]
