"""A user's function as a feedback rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.feedback import STATISTICS, rule_from_function
from tests.own_code import steady


def test_its_arguments_are_those_of_the_function() -> None:
    rule = rule_from_function(steady)
    assert (rule.name, rule.arguments, rule.follows) == ("steady", (Number("gain", default=1.0),), STATISTICS)


@pytest.mark.parametrize("rule", [steady, "tests.own_code.steady", "tests.own_code.STEADY"])
def test_a_function_a_path_and_a_record_drive_a_coefficient(rule: Any) -> None:
    spec = {"rule": rule, "follow": "approx_kl", "gain": 0.25, "low": 0.1, "high": 0.9}
    model = VariantPPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32, n_epochs=1, adapt={"clip_range": spec})
    model.learn(64)
    assert model.adaptive_state["clip_range"]["multiplier"] == pytest.approx(1.25**2)


def without_direction(state: Any, measured: float) -> Any:
    return state


def to_a_number(state: Any, measured: float, *, direction: int) -> Any:
    return 2.0


def to_zero(state: Any, measured: float, *, direction: int) -> Any:
    return {"multiplier": 0.0}


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (without_direction, "adapt: without_direction needs the keyword argument direction"),
        (to_a_number, "adapt: to_a_number must return a dictionary with a number as 'multiplier', not 2.0"),
        (to_zero, "adapt: to_zero must return .*, not {'multiplier': 0.0}"),
    ],
)
def test_what_is_no_rule_is_refused_before_training(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rule_from_function(function)
