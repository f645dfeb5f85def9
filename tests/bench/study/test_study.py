from __future__ import annotations

import pytest

from sb3_ppo_variants.bench.study.study import Study
from tests.bench.studies import FULL


def test_baseline_is_always_there_and_first() -> None:
    study = Study.model_validate(FULL)
    assert list(study.arms) == ["ppo", "late", "other"]
    assert study.arms["ppo"].algorithm == "stable_baselines3.PPO"


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


def test_too_few_evaluations_for_a_score() -> None:
    with pytest.raises(ValueError, match="fewer than the 3 evaluations"):
        Study.model_validate({**FULL, "evaluation": {"every": 400}})
