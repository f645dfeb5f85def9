from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sb3_ppo_variants.bench.study.space import ZOO_SPACE, Axis, WrittenSpace, examples

ADAPTER: TypeAdapter[Any] = TypeAdapter(WrittenSpace)


def test_integers_are_written_without_a_point() -> None:
    assert Axis(low=1, high=8).is_integer
    assert not Axis(low=1.0, high=8.0).is_integer
    assert not Axis(low=0, high=0.5).is_integer


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ({"low": 2, "high": 1}, "low must be less than high, 1 (given: 2)"),
        ({"low": 1.0, "high": 1.0}, "low must be less than high"),
        ({"low": 0, "high": 1, "log": True}, "low must be above 0 on a logarithmic scale (given: 0)"),
        ({"low": 1, "high": 9, "log": True, "step": 2}, "give either log or step, not both"),
        ({"low": 1, "high": 9, "step": 0}, "step must be above 0 (given: 0)"),
        ({"low": 1, "high": 9, "step": 0.5}, "step must be an integer, as low and high are (given: 0.5)"),
        ({"low": 1, "high": 9, "step": 3}, "high must be low and a number of steps of 3 (given: 1 and 9)"),
        ({"low": 0.1, "high": 0.2, "step": 0.3}, "high must be low and a number of steps of 0.3"),
        ({"low": 0.1, "high": math.inf}, "must be a finite number"),
        ({"low": math.nan, "high": 1.0}, "must be a finite number"),
        ({"low": -1e308, "high": 1e308}, "low and high are too far apart for any float"),
        ({"low": True, "high": 2}, "must be a finite number"),
        ({"low": 1}, "Field required"),
        ([1], "a list has 2 choices or more, not 1"),
        ([1, 2, 1], "1 is in the list more than once"),
        ([1, {2}], "a choice is a number, a text, true, false, null, or a list or a mapping of these"),
        (0.2, "must be {low: ..., high: ...}, or a list of choices"),
    ],
)
def test_mistakes(axis: Any, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python({"gamma": axis})
    assert message in str(caught.value)


def test_a_step_may_be_a_fraction() -> None:
    # (0.7 - 0.1) / 0.1 is 5.999999999999999.
    assert Axis(low=0.1, high=0.7, step=0.1).step == 0.1


def test_one_and_true_are_two_choices() -> None:
    assert ADAPTER.validate_python({"x": [1, True, 1.0]}) == {"x": [1, True, 1.0]}


def test_examples_have_both_ends_and_every_choice() -> None:
    space = ADAPTER.validate_python({"gamma": {"low": 0.9, "high": 0.99}, "n_steps": [8, 16, 32]})
    assert list(examples(space)) == [
        {"gamma": 0.9, "n_steps": 8},
        {"gamma": 0.99, "n_steps": 16},
        {"gamma": 0.9, "n_steps": 32},
    ]


def test_the_space_of_the_zoo_is_sound() -> None:
    space = ADAPTER.validate_python(ZOO_SPACE)
    assert space["learning_rate"] == Axis(low=1e-5, high=2e-3, log=True)
    assert len(space) == 11


def test_the_space_of_the_zoo_is_that_of_the_installed_one() -> None:
    optimisation = pytest.importorskip("rl_zoo3.hyperparams_opt")
    optuna = pytest.importorskip("optuna")
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    sampled = optimisation.sample_ppo_params(trial, 2, 1, {})
    nested = {f"policy_kwargs.{name}" for name in sampled.pop("policy_kwargs")}
    assert {*sampled, *nested} == set(ZOO_SPACE)
    drawn = {name: (each.low, each.high) for name, each in trial.distributions.items() if hasattr(each, "low")}
    for name in ("learning_rate", "ent_coef", "max_grad_norm"):
        assert drawn[name] == (ZOO_SPACE[name]["low"], ZOO_SPACE[name]["high"])
    for name in ("n_steps", "batch_size"):
        low, high = drawn[f"{name}_pow"]
        assert ZOO_SPACE[name] == [2**power for power in range(low, high + 1)]
    for name in ("gamma", "gae_lambda"):
        low, high = drawn[f"one_minus_{name}"]
        assert (1 - ZOO_SPACE[name][0], 1 - ZOO_SPACE[name][-1]) == pytest.approx((high, low))
    for name in ("clip_range", "n_epochs"):
        assert tuple(ZOO_SPACE[name]) == trial.distributions[name].choices
