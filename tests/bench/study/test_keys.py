from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
from pydantic import ValidationError

from sb3_ppo_variants.bench.study.grid import combinations
from sb3_ppo_variants.bench.study.keys import Arm, Environment, Settings, TaskSettings
from sb3_ppo_variants.bench.study.study import Study
from tests.bench.conftest import WriteStudy
from tests.bench.studies import FULL, mistakes

PPO = "stable_baselines3.PPO"


def test_hyperparameters_lie_beside_the_study(tmp_path: Path) -> None:
    context = {"folder": tmp_path}
    assert Settings.model_validate({"hyperparams": "ppo.yml"}, context=context).hyperparams == str(tmp_path / "ppo.yml")
    assert Settings.model_validate({"hyperparams": "zoo"}, context=context).hyperparams == "zoo"


def test_wrappers_have_one_form() -> None:
    assert TaskSettings.model_validate({"env_wrapper": "a.B"}).env_wrapper == [{"a.B": {}}]


@pytest.mark.parametrize("key", ["total_timesteps", "n_envs", "frame_stack", "random_score", "reference_score"])
def test_yes_is_no_number(key: str) -> None:
    with pytest.raises(ValidationError, match="must be a number"):
        Environment.model_validate({"random_score": 0, "reference_score": 1, key: True})


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"random_score": 1.0}, "give both random_score and reference_score, or neither"),
        ({"random_score": 1.0, "reference_score": 1.0}, "reference_score is 1: it must be above random_score, 1"),
        ({"random_score": 500, "reference_score": 22.7}, "reference_score is 22.7: it must be above random_score, 500"),
    ],
)
def test_scores_that_normalise_nothing(scores: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Environment.model_validate(scores)


def test_the_classes_of_an_arm() -> None:
    assert Arm(algorithm=PPO).algorithms == [PPO]
    axes = {"algorithm": [PPO, "stable_baselines3.A2C"], "gamma": [0.9, 0.99]}
    assert Arm(grid=axes).algorithms == [PPO, "stable_baselines3.A2C"]
    with pytest.raises(ValueError, match="say algorithm"):
        Arm(grid={"gamma": [0.9, 0.99]})


def test_a_grid_is_multiplied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    multiply = Mock(wraps=combinations)
    monkeypatch.setattr("sb3_ppo_variants.bench.study.keys.combinations", multiply)
    grid = {"gamma": [0.9, 0.99]}
    study = Study.model_validate({**FULL, "arms": {"grid": {"algorithm": PPO, "grid": grid}}})
    assert list(study.arms) == ["ppo", "grid,gamma=0.9", "grid,gamma=0.99"]
    assert list(study.factors) == ["grid"]
    multiply.assert_called_once_with(grid)


def test_values_that_no_environment_has(write_study: WriteStudy) -> None:
    study = """
        name: wrapped
        total_timesteps: 1000
        seeds: 1
        evaluation: {every: 100}
        environments:
          Acrobot-v1: {env_wrapper: 3, frame_stack: 1, vec_env: threads}
    """
    assert mistakes(write_study(study)) == [
        "environments.Acrobot-v1.vec_env: Input should be 'dummy', 'subproc' or 'envpool' (given: 'threads')",
        "environments.Acrobot-v1.env_wrapper: a wrapper is a dotted path, or a mapping from one to its arguments, "
        "not 3 (given: 3)",
        "environments.Acrobot-v1.frame_stack: Input should be greater than or equal to 2 (given: 1)",
    ]
