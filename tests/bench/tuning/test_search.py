from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sb3_ppo_variants.bench.tuning.search import Trial, known_trials, searches
from tests.bench.tuning.trials import make_study

TRIALS = (
    Trial(0, {}, (1.0, 2.0)),
    Trial(1, {}, (9.0, math.nan)),
    Trial(2, {}, (3.0, 4.0)),
    Trial(3, {}, (7.0, 0.0)),
)


def test_the_score_of_a_trial_is_the_mean_over_its_seeds() -> None:
    assert [trial.score for trial in TRIALS] == [1.5, -math.inf, 3.5, 3.5]
    assert [trial.failed for trial in TRIALS] == [False, True, False, False]


def test_the_best_trial_is_the_first_of_those_with_the_greatest_score() -> None:
    search = searches(make_study())[0]
    assert search.best is None
    assert replace(search, trials=TRIALS).best == TRIALS[2]
    assert replace(search, trials=TRIALS[1:2]).best is None


def test_every_arm_has_the_same_trials() -> None:
    study = make_study(environments={"CartPole-v1": {}, "Acrobot-v1": {"total_timesteps": 500}})
    found = searches(study)
    assert [(each.arm, each.environment) for each in found] == [
        ("ppo", "CartPole-v1"),
        ("kl", "CartPole-v1"),
        ("ppo", "Acrobot-v1"),
        ("kl", "Acrobot-v1"),
    ]
    # Two seeds of 200 and of 500 steps.
    assert [each.steps_of_trial for each in found] == [400, 400, 1000, 1000]
    assert [sorted(each.space) for each in found[:2]] == [
        ["learning_rate", "n_steps"],
        ["kl_coef", "learning_rate", "n_steps"],
    ]
    assert known_trials([replace(found[0], trials=TRIALS), *found[1:]]) == "4 of 20 trials"
    assert searches(make_study(tune=None, arms={})) == []


def test_the_runs_of_a_trial_have_its_arguments_and_seeds_of_their_own() -> None:
    search = searches(make_study())[1]
    first, second = search.runs({"learning_rate": 0.01, "kl_coef": 3.0, "n_steps": 64})
    assert (first.seed, second.seed) == (1_000_000, 1_000_001)
    assert first.arm == "kl"
    assert first.arguments == {
        "learning_rate": 0.01, "kl_coef": 3.0, "n_steps": 64, "device": "cpu", "log_kl": True,
    }  # fmt: skip


def test_an_axis_of_an_arm_wins_over_that_of_all() -> None:
    arm = {"algorithm": "stable_baselines3.PPO", "space": {"n_steps": [8, 16]}}
    ppo, other = searches(make_study(arms={"other": arm}))
    assert ppo.space["n_steps"] == [64, 128]
    assert other.space["n_steps"] == [8, 16]


@pytest.mark.parametrize(
    ("overrides", "same"),
    [
        # More trials, and what says nothing of trials.
        ({"tune": {"trials": 9}}, True),
        ({"seeds": 7}, True),
        ({"arguments": {"learning_rate": 0.3, "device": "cpu"}}, True),
        ({"tune": {"seeds": 3}}, False),
        ({"tune": {"batch": 3}}, False),
        ({"tune": {"metric": "area"}}, False),
        ({"tune": {"sampler": "random"}}, False),
        ({"tune": {"seed": 1}}, False),
        ({"tune": {"space": {"learning_rate": [0.1, 0.2], "n_steps": [64, 128]}}}, False),
        ({"total_timesteps": 300}, False),
        ({"evaluation": {"every": 100, "last": 2}}, False),
        ({"arguments": {"gamma": 0.9, "device": "cpu"}}, False),
    ],
    ids=str,
)
def test_a_search_is_another_one_when_its_trials_are(overrides: dict[str, dict[str, object]], same: bool) -> None:
    written = make_study().tune
    assert written is not None
    if "tune" in overrides:
        overrides = {"tune": {**written.model_dump(), **overrides["tune"]}}
    pairs = zip(searches(make_study()), searches(make_study(**overrides)), strict=True)
    assert {first.identity == second.identity for first, second in pairs} == {same}


def test_the_area_does_not_depend_on_the_evaluations_of_a_score() -> None:
    written = make_study().tune
    assert written is not None
    tune = {**written.model_dump(), "metric": "area"}
    first, second = (searches(make_study(tune=tune, evaluation={"every": 50, "last": last}))[0] for last in (1, 2))
    assert first.identity == second.identity


def test_identities_of_searches_never_change() -> None:
    assert [search.identity for search in searches(make_study())] == ["7c82956504", "4a4c530e67"]
