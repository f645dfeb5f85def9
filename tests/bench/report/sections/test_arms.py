"""The report says what each arm is."""

from __future__ import annotations

from typing import Any

from sb3_ppo_variants.bench.report.sections.arms import arms
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.statistics.numbers import RESULTS, make_study


def texts(**overrides: Any) -> list[list[str]]:
    study = make_study(**overrides)
    section = arms(study, summarise(RESULTS[RESULTS["arm"] == "ppo"], study))
    assert section.table is not None
    return [[cell.text for cell in row] for row in section.table.rows]


def test_an_arm_is_told_by_what_differs_from_the_baseline() -> None:
    written = {
        "same": {"algorithm": "stable_baselines3.PPO", "arguments": {"clip_range": 0.2}},
        "dual": {"algorithm": "sb3_ppo_variants.DualClipPPO"},
        "own": {"algorithm": "sb3_ppo_variants.VariantPPO", "arguments": {"objective": []}, "n_envs": 2},
        "grid": {"algorithm": "stable_baselines3.PPO", "grid": {"gamma": [0.9, 0.99]}},
    }
    assert texts(arms=written, arguments={"n_epochs": 3}) == [
        ["ppo", "PPO", "baseline"],
        ["same", "PPO", "nothing"],
        ["dual", "DualClipPPO", "objective: [clip, dual_clip], dual_clip: 3.0"],
        ["own", "VariantPPO", "n_envs: 2, objective: []"],
        ["grid,gamma=0.9", "PPO", "gamma: 0.9"],
        ["grid,gamma=0.99", "PPO", "nothing"],
    ]


def test_a_named_class_is_told_by_what_it_fixes() -> None:
    written = {
        "penalty": {"algorithm": "sb3_ppo_variants.KLPenaltyPPO", "arguments": {"desired_kl": 0.02, "n_epochs": 3}},
        "range": {"algorithm": "sb3_ppo_variants.AdaptiveClipPPO"},
        "plain": {"algorithm": "sb3_ppo_variants.VariantPPO"},
        "written": {"algorithm": "sb3_ppo_variants.VariantPPO", "arguments": {"objective": "spo"}},
    }
    assert [row[2] for row in texts(arms=written)][1:] == [
        "objective: [kl_penalty], kl_coef: 1.0, desired_kl: 0.02, n_epochs: 3",
        "desired_kl: 0.01",
        "nothing but the class",
        "objective: spo",
    ]
    against = texts(arms=written, baseline="penalty")
    assert against[1][2].startswith("objective: [clip], ")
    assert against[2][2] == "n_epochs: 10, objective: clip"


def test_what_differs_in_one_environment_only_is_said_so() -> None:
    environments = {"Known-v0": {"arguments": {"gamma": 0.9}}, "Range-v0": {}}
    arm = {"algorithm": "stable_baselines3.PPO", "arguments": {"gamma": 0.99}}
    told = texts(environments=environments, arms={"mine": arm})[1][2]
    assert told == "on Known-v0: gamma: 0.99; on Range-v0: nothing"


def test_arms_of_an_ablation_have_readable_names_with_a_key() -> None:
    whole = {
        "algorithm": "sb3_ppo_variants.VariantPPO",
        "arguments": {"objective": []},
        "ablate": {"parts": ["clip", "kl_penalty", "spo"]},
    }
    assert [row[:2] for row in texts(arms={"all": whole})] == [
        ["ppo", "ppo"],
        ["all", "all"],
        ["all without clip", "all-without-clip"],
        ["all without kl_penalty", "all-without-kl_penalty"],
        ["all without spo", "all-without-spo"],
        ["all, no part", "all-base"],
        ["all, only clip", "all-base-plus-clip"],
        ["all, only kl_penalty", "all-base-plus-kl_penalty"],
        ["all, only spo", "all-base-plus-spo"],
    ]


def test_numbers_of_a_search_are_rounded_and_normalisation_is_told_by_what_differs() -> None:
    arguments = {"learning_rate": 0.00014397525351614389, "gamma": 0.995}
    arm = {"algorithm": "stable_baselines3.PPO", "arguments": arguments}
    told = texts(environments={"Known-v0": {"normalize": True}}, arms={"mine": arm})[1][2]
    assert told == "normalize: {gamma: 0.995}, learning_rate: 0.000144, gamma: 0.995"
