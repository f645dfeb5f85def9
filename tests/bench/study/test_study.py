from __future__ import annotations

from typing import Any

import pytest

from sb3_ppo_variants.bench.study.keys import Checkpoint
from sb3_ppo_variants.bench.study.study import Study
from tests.bench.studies import FULL


def test_baseline_is_always_there_and_first() -> None:
    study = Study.model_validate(FULL)
    assert list(study.arms) == ["ppo", "late", "other"]
    assert study.arms["ppo"].algorithm == "stable_baselines3.PPO"


def test_another_baseline_comes_first_and_leaves_stock_ppo_out() -> None:
    study = Study.model_validate({**FULL, "baseline": "other"})
    assert list(study.arms) == ["other", "late"]
    of_default = {(run.arm, run.environment, run.seed): run.identity for run in Study.model_validate(FULL).runs}
    assert all(run.identity == of_default[run.arm, run.environment, run.seed] for run in study.runs)


def test_stock_ppo_stays_an_arm_beside_another_baseline_when_it_is_written() -> None:
    stock = {"algorithm": "stable_baselines3.PPO"}
    arms = {"late": stock, "other": stock, "ppo": stock}
    assert list(Study.model_validate({**FULL, "arms": arms, "baseline": "late"}).arms) == ["late", "other", "ppo"]


def test_an_arm_of_a_grid_can_be_the_baseline() -> None:
    arms = {"clip": {"algorithm": "stable_baselines3.PPO", "grid": {"n_epochs": [10, 30]}}}
    study = Study.model_validate({**FULL, "arms": arms, "baseline": "clip,n_epochs=30"})
    assert list(study.arms) == ["clip,n_epochs=30", "clip,n_epochs=10"]


@pytest.mark.parametrize("arms", [{"late": {"algorithm": "stable_baselines3.PPO"}}, {}], ids=["one", "none"])
def test_a_baseline_that_is_no_arm_is_refused(arms: dict[str, Any]) -> None:
    known = ", ".join(arms) or "none"
    with pytest.raises(ValueError, match=f"baseline: clip is no arm of the study, which has {known}"):
        Study.model_validate({**FULL, "arms": arms, "baseline": "clip"})


def test_runs_begin_with_the_first_seed_of_everything() -> None:
    runs = Study.model_validate({**FULL, "seeds": [5, 3]}).runs
    assert [(run.seed, run.environment, run.arm) for run in runs[:4]] == [
        (5, "CartPole-v1", "ppo"),
        (5, "CartPole-v1", "late"),
        (5, "CartPole-v1", "other"),
        (5, "Pendulum-v1", "ppo"),
    ]
    assert [run.seed for run in runs] == [5] * 6 + [3] * 6


def test_runs_are_resolved_once() -> None:
    study = Study.model_validate(FULL)
    assert study.runs is study.runs
    assert study.runs_of("late", "Pendulum-v1") == [study.run("late", "Pendulum-v1", seed) for seed in (0, 1)]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({}, Checkpoint(minutes=1)),
        ({"checkpoint": True}, Checkpoint(minutes=1)),
        ({"checkpoint": False}, None),
        ({"checkpoint": {"every": 50_000}}, Checkpoint(every=50_000)),
        ({"checkpoint": {"minutes": 0.5}}, Checkpoint(minutes=0.5)),
    ],
    ids=str,
)
def test_checkpoints_are_no_part_of_the_identity(said: dict[str, Any], meant: Checkpoint | None) -> None:
    study = Study.model_validate({**FULL, **said})
    assert study.checkpoint == meant
    assert study.runs[0].identity == Study.model_validate(FULL).runs[0].identity


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"every": 5, "minutes": 1}, "give either every, a number of steps, or minutes"),
        ({}, "give either every, a number of steps, or minutes"),
        ({"every": 0}, "greater than 0"),
        ({"minutes": 0}, "greater than 0"),
        ({"hours": 1}, "Extra inputs are not permitted"),
        (5, "Checkpoint"),
    ],
    ids=str,
)
def test_checkpoints_that_mean_nothing(said: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Study.model_validate({**FULL, "checkpoint": said})


def test_too_few_evaluations_for_a_score() -> None:
    with pytest.raises(ValueError, match="fewer than the 3 evaluations"):
        Study.model_validate({**FULL, "evaluation": {"every": 400}})
