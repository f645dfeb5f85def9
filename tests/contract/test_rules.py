"""What every listed rule keeps to; a new one is covered as soon as it is in ``RULES``."""

from __future__ import annotations

import inspect
import itertools
import json
import math
import pkgutil
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sb3_ppo_variants.rules
from sb3_ppo_variants import Coefficient
from sb3_ppo_variants.adaptation import Adaptation, build_controllers
from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.feedback import INITIAL_STATE, STATISTICS, Rule, State
from sb3_ppo_variants.rules import RULES
from tests.contract.classes import a_value

each_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
each_direction = pytest.mark.parametrize("direction", [1, -1], ids=["up", "down"])

LOW, HIGH = 0.01, 100.0
FAR_ABOVE, FAR_BELOW = 100.0, 0.01
SHARE = "some_share"


def arguments_of(rule: Rule) -> dict[str, float]:
    return {number.name: a_value(number) for number in rule.arguments}


def target_of(rule: Rule) -> float:
    arguments = arguments_of(rule)
    if "target" not in arguments:
        pytest.skip("follows no target")
    return arguments["target"]


def after(rule: Rule, measured: Iterable[float], direction: int, state: State | None = None) -> State:
    """The state after some updates."""
    result = dict(INITIAL_STATE) if state is None else state
    for value in measured:
        result = result | rule.function(result, value, direction=direction, **arguments_of(rule))
    return result


def follow_of(rule: Rule) -> str:
    """A statistic that it may follow: one of its own, or the share of a regularizer."""
    return (*rule.follows, SHARE)[0]


def way_of(rule: Rule, direction: int) -> int:
    """Where it moves the coefficient above its target: one that is not directed lowers a loss that is too large."""
    return direction if rule.directed else -1


def adaptation(rule: Rule, direction: int, state: Any = None, **changes: Any) -> Adaptation:
    """One coefficient at 1, driven by the rule within bounds."""
    coefficient = Coefficient("some_coef", 1.0, low=0.0, tighter="up" if direction == 1 else "down")
    spec = {"rule": rule.name, "follow": follow_of(rule), "low": LOW, "high": HIGH, **arguments_of(rule), **changes}
    controllers = build_controllers({"some_coef": spec}, {"some_coef": coefficient}, RULES, (SHARE,))
    return Adaptation(controllers, {} if state is None else state)


@each_direction
@each_rule
def test_is_pure(rule: Rule, direction: int) -> None:
    state = after(rule, [1.0, 0.1], direction)
    before = dict(state)
    for measured in (0.0, 1e-9, 0.3, 1e9):
        first = rule.function(state, measured, direction=direction, **arguments_of(rule))
        assert state == before
        assert first is not state
        assert rule.function(state, measured, direction=direction, **arguments_of(rule)) == first


@each_direction
@each_rule
def test_floats_in_floats_out(rule: Rule, direction: int) -> None:
    state = after(rule, [1.0, 0.0, 1e-9], direction)
    assert "multiplier" in state
    assert all(type(value) is float for value in state.values())
    assert json.loads(json.dumps(state)) == state


@each_direction
@each_rule
def test_tightens_above_the_target_and_loosens_below_it(rule: Rule, direction: int) -> None:
    target = target_of(rule)
    tighter = after(rule, [FAR_ABOVE * target] * 5, direction)["multiplier"]
    looser = after(rule, [FAR_BELOW * target] * 5, direction)["multiplier"]
    assert way_of(rule, direction) * math.log(tighter) > 1e-3
    assert way_of(rule, direction) * math.log(looser) < -1e-3


@each_direction
@each_rule
def test_each_step_goes_the_right_way(rule: Rule, direction: int) -> None:
    target = target_of(rule)
    for factor, way in ((FAR_ABOVE, 1), (FAR_BELOW, -1)):
        multipliers = [after(rule, [factor * target] * steps, direction)["multiplier"] for steps in range(5)]
        for before, now in itertools.pairwise(multipliers):
            assert way * way_of(rule, direction) * (now - before) >= 0


@each_direction
@each_rule
def test_rests_at_the_target(rule: Rule, direction: int) -> None:
    assert after(rule, [target_of(rule)] * 5, direction)["multiplier"] == pytest.approx(1.0)


@each_direction
@each_rule
@given(measured=st.lists(st.floats(0.0, 1e9), max_size=30))
@settings(max_examples=50)
def test_stays_finite_and_positive(rule: Rule, direction: int, measured: list[float]) -> None:
    driven = adaptation(rule, direction)
    for value in measured:
        driven.after_update({"some_coef": 1.0}, {follow_of(rule): value})
        multiplier = driven.state["some_coef"]["multiplier"]
        assert math.isfinite(multiplier)
        assert LOW * (1 - 1e-9) <= multiplier <= HIGH * (1 + 1e-9)


@pytest.mark.parametrize("measured", [0.0, 1e-300, 1e-12, 1e12, 1e300])
@each_direction
@each_rule
def test_a_long_run_at_an_extreme_can_come_back(rule: Rule, direction: int, measured: float) -> None:
    driven = adaptation(rule, direction)
    target = target_of(rule)
    for _ in range(2000):
        driven.after_update({"some_coef": 1.0}, {follow_of(rule): measured})
    assert all(math.isfinite(value) for value in driven.state["some_coef"].values())
    stuck = driven.values({"some_coef": 1.0})["some_coef"]
    for _ in range(20):
        driven.after_update(
            {"some_coef": 1.0}, {follow_of(rule): target * (FAR_BELOW if measured > target else FAR_ABOVE)}
        )
    way = way_of(rule, direction) if measured > target else -way_of(rule, direction)
    assert way * (stuck - driven.values({"some_coef": 1.0})["some_coef"]) > 0


@each_direction
@each_rule
def test_saved_state_goes_on_as_if_never_saved(rule: Rule, direction: int) -> None:
    measured = [3.0, 1e-4, 0.02, 0.5, 1e-3, 0.01]
    follow = follow_of(rule)
    whole = adaptation(rule, direction)
    for value in measured:
        whole.after_update({"some_coef": 1.0}, {follow: value})
    halves = adaptation(rule, direction)
    for value in measured[:3]:
        halves.after_update({"some_coef": 1.0}, {follow: value})
    again = adaptation(rule, direction, state=json.loads(json.dumps(halves.state)))
    for value in measured[3:]:
        again.after_update({"some_coef": 1.0}, {follow: value})
    assert again.state == whole.state


@each_rule
def test_follows_what_it_says_and_nothing_else(rule: Rule) -> None:
    targeted = any(number.name == "target" for number in rule.arguments)
    follows = (*rule.follows, *((SHARE,) if targeted else ()))
    assert follows
    for follow in (*STATISTICS, SHARE):
        if follow in follows:
            driven = adaptation(rule, 1, follow=follow)
            driven.after_update({"some_coef": 1.0}, {follow: 0.02})
            assert math.isfinite(driven.state["some_coef"]["multiplier"])
        else:
            with pytest.raises(ValueError, match=f"{follow}.*{follows[0]}"):
                adaptation(rule, 1, follow=follow)


@each_rule
def test_an_update_without_a_measurement_changes_nothing(rule: Rule) -> None:
    driven = adaptation(rule, 1)
    driven.after_update({"some_coef": 1.0}, {follow_of(rule): 0.02})
    before = dict(driven.state["some_coef"])
    driven.after_update({"some_coef": 1.0}, {})
    assert driven.state["some_coef"] == before | {"updates": 2.0}


NUMBERS = [(rule, number) for rule in RULES.values() for number in rule.arguments]


@pytest.mark.parametrize(("rule", "number"), NUMBERS, ids=[f"{rule.name}-{number.name}" for rule, number in NUMBERS])
def test_its_numbers_are_checked(rule: Rule, number: Number) -> None:
    beyond = [number.low - 1.0, number.high + 1.0, *([number.low] if number.above_low else [])]
    beyond += [number.low + 0.5] if number.whole else []
    for value in [math.nan, *filter(math.isfinite, beyond)]:
        with pytest.raises(ValueError, match=re.escape(f"adapt['some_coef']['{number.name}']={value}")):
            adaptation(rule, 1, **{number.name: value})
    if number.default is None:
        with pytest.raises(ValueError, match=f"needs '{number.name}'"):
            adaptation(rule, 1, **{number.name: None})
    else:
        number.check(number.default)


@each_rule
def test_the_docstring_has_what_a_reader_needs(rule: Rule) -> None:
    text = inspect.getdoc(rule.function) or ""
    assert ".. math::" in text
    assert re.search(r"arXiv[ :]\d{4}\.\d{4,5}|\b(19|20)\d\d\b", text)
    for name in ("state", "measured", "direction", *(number.name for number in rule.arguments)):
        assert re.search(rf":param {name}: \S", text), name


@each_rule
def test_the_record_agrees_with_the_function(rule: Rule) -> None:
    parameters = inspect.signature(rule.function).parameters.values()
    keyword_only = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert keyword_only == {"direction", *(number.name for number in rule.arguments)}


def test_every_file_is_listed_and_tested() -> None:
    assert {module.name for module in pkgutil.iter_modules(sb3_ppo_variants.rules.__path__)} == set(RULES)
    for name, rule in RULES.items():
        assert rule.name == name
        assert rule.function.__module__ == f"sb3_ppo_variants.rules.{name}"
        assert (Path(__file__).parents[1] / "rules" / f"test_{name}.py").exists()
