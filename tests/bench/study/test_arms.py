from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sb3_ppo_variants.bench.statistics.contrasts import ablation_contrasts, main_effects
from sb3_ppo_variants.bench.study.arms import AblationArms
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.validation import load_study
from tests.bench.conftest import WriteStudy
from tests.bench.studies import FULL, mistakes

PPO = "stable_baselines3.PPO"
VARIANT = "sb3_ppo_variants.VariantPPO"


def study(arms: dict[str, Any]) -> Study:
    return Study.model_validate({**FULL, "arms": arms})


def test_the_arms_of_a_grid() -> None:
    found = study({"wide": {"algorithm": PPO, "arguments": {"gamma": 0.5}, "grid": {"clip_range": [0.1, 0.3]}}})
    assert list(found.arms) == ["ppo", "wide,clip_range=0.1", "wide,clip_range=0.3"]
    assert found.factors == {
        "wide": {"wide,clip_range=0.1": {"clip_range": "0.1"}, "wide,clip_range=0.3": {"clip_range": "0.3"}}
    }
    run = found.run("wide,clip_range=0.3", "CartPole-v1", 0)
    assert run.arguments == {"n_steps": 20, "gamma": 0.5, "batch_size": 5, "clip_range": 0.3}


def test_a_level_wins_over_an_argument_of_the_arm_that_reaches_into_it() -> None:
    arm = {"algorithm": PPO, "arguments": {"policy_kwargs.net_arch": [64]}}
    grid = {"policy_kwargs": {"relu": {"activation_fn": "torch.nn.ReLU"}, "small": {"net_arch": [4]}}}
    parts = {"plain": {"policy_kwargs": {"ortho_init": False}}, "slow": {"gamma": 0.8}}
    found = study({"wide": {**arm, "grid": grid}, "mix": {**arm, "ablate": {"parts": parts}}})
    assert found.arms["wide,policy_kwargs=relu"].arguments == {"policy_kwargs": {"activation_fn": "torch.nn.ReLU"}}
    assert found.arms["wide,policy_kwargs=small"].arguments == {"policy_kwargs": {"net_arch": [4]}}
    assert found.arms["mix"].arguments == {"policy_kwargs": {"ortho_init": False}, "gamma": 0.8}
    assert found.arms["mix-without-plain"].arguments == {"policy_kwargs.net_arch": [64], "gamma": 0.8}


def test_axes_over_the_arms_own_keys() -> None:
    found = study({"any": {"grid": {"algorithm": [PPO, "stable_baselines3.A2C"], "n_envs": [1, 3]}}})
    run = found.run("any,algorithm=A2C,n_envs=3", "CartPole-v1", 0)
    assert (run.algorithm, run.n_envs) == ("stable_baselines3.A2C", 3)
    assert "n_envs" not in run.arguments


def test_a_class_of_a_grid_is_a_path() -> None:
    with pytest.raises(ValueError, match=r"grid.algorithm: a level is the dotted path of a class, not \['x'\]"):
        study({"any": {"grid": {"algorithm": {"a": ["x"], "b": ["y"]}}}})


def test_grids_with_equal_axes_are_one_design_with_the_arm_as_an_axis() -> None:
    grid = {"n_epochs": [10, 30]}
    found = study({"one": {"algorithm": PPO, "grid": grid}, "two": {"algorithm": PPO, "grid": grid}})
    assert found.factors == {
        "one and two": {
            "one,n_epochs=10": {"arm": "one", "n_epochs": "10"},
            "one,n_epochs=30": {"arm": "one", "n_epochs": "30"},
            "two,n_epochs=10": {"arm": "two", "n_epochs": "10"},
            "two,n_epochs=30": {"arm": "two", "n_epochs": "30"},
        }
    }


def test_grids_with_other_levels_are_another_design() -> None:
    found = study(
        {
            "one": {"algorithm": PPO, "grid": {"n_epochs": [10, 30]}},
            "two": {"algorithm": PPO, "grid": {"n_epochs": [5, 20]}},
        }
    )
    assert list(found.factors) == ["one", "two"]
    assert found.factors["one"]["one,n_epochs=10"] == {"n_epochs": "10"}
    assert found.factors["two"]["two,n_epochs=20"] == {"n_epochs": "20"}


ABLATED = {
    "algorithm": VARIANT,
    "arguments": {"objective": ["clip"]},
    "ablate": {
        "parts": {
            "dual": {"objective": "dual_clip", "dual_clip": 2.0},
            "penalty": {"objective": "kl_penalty", "kl_coef": 0.5},
            "slow": {"learning_rate": 1e-5},
        }
    },
}


def test_the_arms_of_an_ablation() -> None:
    found = study({"mix": ABLATED})
    assert list(found.arms) == [
        "ppo", "mix", "mix-without-dual", "mix-without-penalty", "mix-without-slow",
        "mix-base", "mix-base-plus-dual", "mix-base-plus-penalty", "mix-base-plus-slow",
    ]  # fmt: skip
    assert found.ablations == {
        "mix": AblationArms(
            full="mix",
            without={
                "dual": "mix-without-dual",
                "penalty": "mix-without-penalty",
                "slow": "mix-without-slow",
            },
            baseline="mix-base",
            only={
                "dual": "mix-base-plus-dual",
                "penalty": "mix-base-plus-penalty",
                "slow": "mix-base-plus-slow",
            },
        )
    }
    assert found.arms["mix-base"].arguments == {"objective": ["clip"]}
    assert found.arms["mix-without-dual"].arguments == {
        "objective": ["clip", "kl_penalty"], "kl_coef": 0.5, "learning_rate": 1e-5,
    }  # fmt: skip
    assert found.arms["mix-base-plus-slow"].arguments == {"objective": ["clip"], "learning_rate": 1e-5}
    assert found.factors == {}


def test_a_selection_of_parts_that_comes_twice_is_one_arm() -> None:
    parts = {"a": {"gamma": 0.8}, "b": {"n_epochs": 3}}
    found = study({"two": {"algorithm": PPO, "ablate": {"parts": parts}}})
    assert list(found.arms) == ["ppo", "two", "two-without-a", "two-without-b", "two-base"]
    assert found.ablations["two"].only == {"a": "two-without-b", "b": "two-without-a"}


def test_one_half_of_an_ablation() -> None:
    left = {**ABLATED, "ablate": {**ABLATED["ablate"], "one_added": False}}  # type: ignore[dict-item]
    found = study({"mix": left})
    assert list(found.arms) == ["ppo", "mix", "mix-without-dual", "mix-without-penalty", "mix-without-slow"]
    assert (found.ablations["mix"].baseline, found.ablations["mix"].only) == (None, {})


def test_the_other_half_of_an_ablation() -> None:
    added = {**ABLATED, "ablate": {**ABLATED["ablate"], "leave_one_out": False}}  # type: ignore[dict-item]
    found = study({"mix": added})
    only = ["mix-base-plus-dual", "mix-base-plus-penalty", "mix-base-plus-slow"]
    assert list(found.arms) == ["ppo", "mix", "mix-base", *only]
    assert found.ablations["mix"].without == {}


def test_parts_that_are_a_term_each_can_be_a_list() -> None:
    body = {"algorithm": VARIANT, "arguments": {"objective": "clip"}, "ablate": {"parts": ["dual_clip", "kl_penalty"]}}
    found = study({"mix": body})
    assert found.arms["mix"].arguments["objective"] == ["clip", "dual_clip", "kl_penalty"]


def test_contrasts_take_the_designs_as_they_are() -> None:
    left = {**ABLATED, "ablate": {**ABLATED["ablate"], "one_added": False}}  # type: ignore[dict-item]
    grid = {"algorithm": PPO, "grid": {"gamma": [0.8, 0.9], "n_epochs": [1, 2]}}
    found = study({"mix": ABLATED, "left": left, "one": grid, "two": grid})
    scores = {(arm, "CartPole-v1"): np.array([0.0, 0.5, 1.0]) for arm in found.arms}
    for arms in found.ablations.values():
        parts = ablation_contrasts(arms, scores, 100, 0)
        assert parts.parts == ["dual", "penalty", "slow"]
        assert set(parts.only) == (set() if arms.full == "left" else {"dual", "penalty", "slow"})
    effects = main_effects(found.factors["one and two"], scores, 100, 0)
    assert {axis: [level.name for level in levels] for axis, levels in effects.axes.items()} == {
        "arm": ["one", "two"], "gamma": ["0.8", "0.9"], "n_epochs": ["1", "2"],
    }  # fmt: skip
    assert effects.balanced


def test_expansion_is_deterministic_and_every_arm_has_a_folder_of_its_own() -> None:
    arms = {"mix": ABLATED, "grid": {"algorithm": PPO, "grid": {"gamma": [0.8, 0.9], "n_epochs": [1, 2]}}}
    one, two = study(arms), study(arms)
    assert [run.folder_name for run in one.runs] == [run.folder_name for run in two.runs]
    assert len({(run.arm, run.folder_name) for run in one.runs}) == len(one.runs) == 13 * 2 * 2


def test_grids_and_ablations_that_are_none(write_study: WriteStudy) -> None:
    found = mistakes(
        write_study("""
            name: wrong
            total_timesteps: 1000
            seeds: 1
            evaluation: {every: 100}
            environments: [CartPole-v1]
            arms:
              both: {algorithm: stable_baselines3.PPO, grid: {gamma: [0.9, 1.0]}, ablate: {parts: {a: {gamma: 1.0}}}}
              nobody: {arguments: {gamma: 0.9}}
              one: {algorithm: stable_baselines3.PPO, grid: {gamma: [0.9], clip_range: [0.1, 0.2]}}
              clash: {algorithm: stable_baselines3.PPO, ablate: {parts: {a: {gamma: 0.8}, b: {gamma: 0.9}}}}
              inner:
                algorithm: stable_baselines3.PPO
                ablate: {parts: {a: {policy_kwargs.net_arch: [8]}, b: {policy_kwargs: {net_arch: [4]}}}}
              term: {algorithm: sb3_ppo_variants.VariantPPO, ablate: {parts: [dual_clip]}}
        """)
    )
    assert set(found) == {
        "arms.both: give either grid or ablate, not both",
        "arms.nobody: say algorithm, the dotted path of a Stable-Baselines3 class",
        "arms.one: grid.gamma: an axis has 2 levels or more, not 1",
        "arms.clash: ablate.parts: a and b both set gamma",
        "arms.inner: ablate.parts: a and b both set policy_kwargs.net_arch",
        "arms.term: ablate.parts.dual_clip: adds to the objective, so say arguments.objective, that of the arm without "
        "any part ([] for the plain surrogate)",
    }


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ({"ppo": {"algorithm": PPO, "grid": {"gamma": [0.9, 1.0]}}}, "ppo is one arm, stock PPO"),
        ({"mix": ABLATED, "mix-base": {"algorithm": PPO}}, "two arms would be called mix-base"),
        (
            {"long": {"algorithm": PPO, "grid": {"policy_kwargs.net_arch": [[64] * 60, [64] * 59]}}},
            "is longer than 150 characters",
        ),
    ],
)
def test_names_that_do_not_work(arms: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        study(arms)


def test_every_arm_of_a_grid_is_built(write_study: WriteStudy) -> None:
    path = write_study("""
        name: built
        total_timesteps: 1000
        seeds: 1
        evaluation: {every: 100}
        arguments: {device: cpu, n_steps: 8}
        environments: [CartPole-v1]
        arms:
          mine: {algorithm: stable_baselines3.PPO, grid: {batch_size: [8, 1], policy_kwargs.net_arch: [[4], [4, 4]]}}
    """)
    found = mistakes(path)
    assert [mistake.partition(":")[0] for mistake in found] == [
        "arms.mine,batch_size=1,net_arch=4",
        "arms.mine,batch_size=1,net_arch=4+4",
    ]
    path.write_text(path.read_text().replace("[8, 1]", "[8, 4]"))
    assert len(load_study(path).runs) == 5
