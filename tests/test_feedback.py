"""A user's function as a feedback rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.adaptation import Controller
from sb3_ppo_variants.coefficients import CLIP_RANGE, Number
from sb3_ppo_variants.feedback import INITIAL_STATE, STATISTICS, rule_from_function
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


def decaying(state: Any, measured: float, *, direction: int) -> Any:
    return {"multiplier": 1 + 0.5 / state["updates"]}


def test_a_function_finds_the_number_of_the_update_from_1_on() -> None:
    rule = rule_from_function(decaying)
    controller = Controller(CLIP_RANGE, rule, "approx_kl", {}, 0.1, 0.9)
    first = controller.next_state(dict(INITIAL_STATE), 0.25, 0.01)
    second = controller.next_state(first, 0.25, 0.01)
    assert (first["multiplier"], second["multiplier"]) == (1.5, 1.25)


def counting(state: Any, measured: float, *, direction: int) -> Any:
    return {"multiplier": 1.0, "updates": 0.0, "updates_at_bound": 9.0, "held": 1.0, "mine": state.get("mine", 0.0) + 1}


def test_what_the_model_counts_is_not_the_rules() -> None:
    spec = {"rule": counting, "follow": "approx_kl", "low": 0.1, "high": 0.9}
    model = VariantPPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32, n_epochs=1, adapt={"clip_range": spec})
    model.learn(64)
    counts = {"updates": 2.0, "updates_at_bound": 0.0, "held": 0.0}
    assert model.adaptive_state["clip_range"] == {"multiplier": 1.0, "mine": 2.0, **counts}


def unknown_key(state: Any, measured: float, *, direction: int) -> Any:
    return {"multiplier": state["factor"]}


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
        (unknown_key, "adapt: unknown_key fails with the state {'multiplier': 1.0, 'updates': 1.0, .*: KeyError"),
        (to_zero, "adapt: to_zero must return .*, not {'multiplier': 0.0}"),
    ],
)
def test_what_is_no_rule_is_refused_before_training(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rule_from_function(function)
