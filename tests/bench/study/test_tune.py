from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sb3_ppo_variants.bench.study.run import RESERVED
from sb3_ppo_variants.bench.study.space import ZOO_SPACE
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.study.tune import Tune, space_mistakes
from tests.bench.tuning.trials import make_study

PPO = "stable_baselines3.PPO"


def mistakes(**overrides: Any) -> list[str]:
    study = make_study(**overrides)
    return list(space_mistakes(study.tune, study.written_arms, study.seeds))


def test_defaults() -> None:
    tune = Tune(trials=30)
    assert (tune.seeds, tune.metric, tune.sampler, tune.batch, tune.seed, tune.space) == (3, "score", "tpe", 5, 0, {})
    assert tune.run_seeds == (1_000_000, 1_000_001, 1_000_002)


def test_the_space_of_the_zoo_has_a_name() -> None:
    assert set(Tune.model_validate({"trials": 1, "space": "zoo"}).space) == set(ZOO_SPACE)
    with pytest.raises(ValidationError, match="must be a mapping from arguments to what they may be, or zoo"):
        Tune.model_validate({"trials": 1, "space": "zo"})


def test_what_is_sound_has_no_mistakes() -> None:
    assert mistakes() == []
    assert mistakes(tune=None, arms={}) == []


def test_seeds_of_trials_are_no_seeds_of_the_study() -> None:
    expected = "seeds: 1000001 is a seed of the trials of tune, whose runs must be others; choose seeds below it"
    assert mistakes(seeds=[0, 1_000_001]) == [expected]
    assert mistakes(seeds=[0, 1_000_002]) == []


def test_every_arm_has_something_to_tune() -> None:
    arms = {"a": {"algorithm": PPO, "space": {"gamma": [0.9, 0.99]}}, "b": {"algorithm": PPO}}
    assert mistakes(arms=arms, tune={"trials": 2}) == [
        "arms.ppo: has nothing to tune; give tune.space or arms.ppo.space",
        "arms.b: has nothing to tune; give tune.space or arms.b.space",
    ]
    assert mistakes(arms=arms, tune=None) == [
        "arms.a.space: needs tune, which says how many trials an arm gets",
    ]


def test_an_argument_is_varied_in_one_way() -> None:
    ablate = {"parts": {"steps": {"n_steps": 64}, "other": {"gamma": 0.9}}}
    arms = {
        "grid": {"algorithm": PPO, "grid": {"learning_rate": [0.1, 0.2], "gamma": [0.9, 0.99]}},
        "parts": {"algorithm": PPO, "ablate": ablate},
    }
    assert mistakes(arms=arms) == [
        "arms.grid: learning_rate is in its grid or a part of its ablation, and in its space",
        "arms.parts: n_steps is in its grid or a part of its ablation, and in its space",
    ]


def test_an_argument_that_reaches_into_another_is_varied_in_one_way() -> None:
    parts = {"wide": {"policy_kwargs.net_arch": [256]}, "other": {"gamma": 0.9}}
    arms = {
        "grid": {"algorithm": PPO, "grid": {"policy_kwargs": {"small": {"net_arch": [4]}, "big": {"net_arch": [8]}}}},
        "parts": {"algorithm": PPO, "ablate": {"parts": parts}, "space": {"policy_kwargs": [{"net_arch": [4]}, {}]}},
    }
    assert mistakes(arms=arms, tune={"trials": 2, "space": {"policy_kwargs.net_arch": [[16], [32]]}}) == [
        "arms.grid: policy_kwargs.net_arch is in its grid or a part of its ablation, and in its space",
        "arms.parts: policy_kwargs.net_arch is in more than one axis of its space",
        "arms.parts: policy_kwargs.net_arch is in its grid or a part of its ablation, and in its space",
    ]


def test_arms_of_a_grid_have_the_space_of_the_grid() -> None:
    arm = {"algorithm": PPO, "grid": {"gamma": [0.9, 0.99]}, "space": {"ent_coef": [0.0, 0.1]}}
    study = make_study(arms={"g": arm})
    assert [sorted(study.space(name)) for name in study.arms] == [
        ["learning_rate", "n_steps"],
        *[["ent_coef", "learning_rate", "n_steps"]] * 2,
    ]


def test_too_many_runs() -> None:
    with pytest.raises(ValidationError, match="tune: 200000 runs of trials are more than the 100000 of the largest"):
        make_study(tune={"trials": 1000, "seeds": 100})


def test_names_in_the_results_folder_are_taken() -> None:
    assert {"tuning", "trials.csv"} <= set(RESERVED)
    with pytest.raises(ValidationError, match="tuning is a name in the folder of the study"):
        make_study(arms={"tuning": {"algorithm": PPO}})


def test_found_arguments_win_over_all_levels() -> None:
    study = Study.model_validate(
        {
            "name": "levels",
            "total_timesteps": 200,
            "seeds": 1,
            "evaluation": {"every": 100, "last": 1},
            "arguments": {"policy_kwargs": {"net_arch": [4], "ortho_init": False}, "gamma": 0.5},
            "environments": {"CartPole-v1": {"arguments": {"n_steps": 16}}, "Acrobot-v1": {}},
            "arms": {"ppo": {"algorithm": PPO, "arguments": {"policy_kwargs.net_arch": [5], "gae_lambda": 0.7}}},
        }
    )
    found = {"policy_kwargs.net_arch": [6], "n_steps": 32, "gae_lambda": 0.8}
    assert study.runs[0].arguments["n_steps"] == 16
    tuned = study.with_arguments({("ppo", "CartPole-v1"): found})
    first, second = tuned.runs
    assert first.arguments == {
        "policy_kwargs": {"net_arch": [6], "ortho_init": False}, "gamma": 0.5, "n_steps": 32, "gae_lambda": 0.8,
    }  # fmt: skip
    assert second == study.runs[1]
    assert study.run("ppo", "CartPole-v1", 0, found) == first
    assert tuned.runs_of("ppo", "CartPole-v1") == [first]
