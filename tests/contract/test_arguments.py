"""Every argument of a term, rule and stop: its default and its range, written out, so that a change is a decision."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import pytest

from sb3_ppo_variants.coefficients import Coefficient, Number
from sb3_ppo_variants.rules import RULES
from sb3_ppo_variants.stops import STOPS
from sb3_ppo_variants.terms import TERMS

# Name: default, range, kind, which way makes the update smaller, value at which the term is off.
COEFFICIENTS = {
    "clip_range": (0.2, "[0, inf]", "", "down", None),
    "lower_clip_range": (0.2, "[0, 1]", "", "down", None),
    "upper_clip_range": (0.28, "[0, inf]", "", "down", None),
    "rollback_slope": (0.3, "[-1, inf)", "", "up", -1.0),
    "trust_region_kl": (0.025, "(0, inf]", "", "down", math.inf),
    "trust_region_slope": (0.0, "[0, inf)", "", "up", None),
    "trust_region_clip_kl": (0.02, "[0, inf]", "", "down", math.inf),
    "spo_range": (0.2, "(0, inf]", "", "down", math.inf),
    "positive_drift_scale": (2.0, "(0, inf)", "", "down", None),
    "negative_drift_scale": (0.6, "(0, inf)", "", "down", None),
    "soft_clip_temperature": (4.0, "(0, inf)", "", "up", None),
    "negative_soft_clip_temperature": (None, "(0, inf)", "", "up", None),
    "cispo_lower_range": (1.0, "[0, 1]", "", "down", None),
    "cispo_upper_range": (0.28, "[0, inf]", "", "down", None),
    "dual_clip": (3.0, "(1, inf]", "", "down", math.inf),
    "kl_coef": (1.0, "[0, inf)", "", "up", 0.0),
    "kl_hinge_coef": (1000.0, "[0, inf)", "", "up", 0.0),
    "kl_hinge_start": (0.02, "[0, inf]", "", "down", None),
    "trust_region_penalty_coef": (5.0, "[0, inf)", "", "up", 0.0),
}
# Of rules and stops, by their name and the argument's.
NUMBERS = {
    ("band", "target"): (None, "(0, inf)", ""),
    ("band", "width"): (1.5, "[1, inf]", ""),
    ("band", "factor"): (2.0, "(1, inf)", ""),
    ("proportional", "target"): (None, "(0, inf)", ""),
    ("proportional", "gain"): (0.1, "(0, 0.99]", ""),
    ("proportional", "largest_error"): (0.2, "(0, 1]", ""),
    ("bandit", "arms"): (5.0, "[2, inf]", "whole"),
    ("bandit", "spread"): (2.0, "(1, inf)", ""),
    ("bandit", "discount"): (0.95, "(0, 1]", ""),
    ("bandit", "exploration"): (0.5, "[0, inf)", ""),
    ("rescale", "target"): (None, "(0, inf)", ""),
    ("ratio_deviation", "limit"): (None, "(0, inf]", ""),
    ("kl", "limit"): (None, "(0, inf]", ""),
}
STAGES = {
    "clip": "shape",
    "asymmetric_clip": "shape",
    "rollback": "shape",
    "trust_region": "shape",
    "trust_region_clip": "shape",
    "spo": "shape",
    "drift": "shape",
    "soft_clip": "shape",
    "cispo": "shape",
    "dual_clip": "bound",
    "positive_advantage": "bound",
    "kl_penalty": "penalty",
    "kl_hinge": "penalty",
    "trust_region_penalty": "penalty",
}
CONTROLLED = ("kl", "kl_max", "approx_kl", "clip_fraction", "ratio_deviation", "ratio_max")


def described(number: Number) -> tuple[Any, ...]:
    left = "(" if number.above_low else "["
    right = ")" if number.finite else "]"
    range_ = f"{left}{number.low:g}, {number.high:g}{right}"
    return (number.default, range_, "whole" if number.whole else "")


def test_coefficients_of_terms() -> None:
    found: dict[str, set[Coefficient]] = {}
    for coefficient in chain.from_iterable(term.coefficients for term in TERMS.values()):
        found.setdefault(coefficient.name, set()).add(coefficient)
    # A coefficient that several terms read is the same in all of them.
    assert all(len(same) == 1 for same in found.values())
    assert {
        name: (*described(coefficient), coefficient.tighter, coefficient.off) for name, (coefficient,) in found.items()
    } == COEFFICIENTS
    assert [name for name, (coefficient,) in found.items() if coefficient.optional] == [
        "negative_soft_clip_temperature"
    ]


def test_arguments_of_rules_and_stops() -> None:
    found = {(rule.name, number.name): number for rule in RULES.values() for number in rule.arguments}
    found |= {(stop.name, stop.limit.name): stop.limit for stop in STOPS.values()}
    assert {key: described(number) for key, number in found.items()} == NUMBERS


def test_stages_of_terms_and_what_rules_follow() -> None:
    assert {term.name: term.stage for term in TERMS.values()} == STAGES
    assert [term.name for term in TERMS.values() if term.per_batch] == ["kl_hinge"]
    assert {rule.name: rule.follows for rule in RULES.values()} == {
        "band": CONTROLLED,
        "proportional": CONTROLLED,
        "bandit": ("episode_return",),
        "rescale": (),
    }


def test_choices() -> None:
    choices = {option.name: (option.choices, option.default) for term in TERMS.values() for option in term.options}
    assert choices == {
        "kl_direction": (("forward", "reverse"), "forward"),
        "kl_estimator": (("exact", "k1", "k2", "k3"), "exact"),
    }


@pytest.mark.parametrize(
    ("rule", "argument"), [("band", "factor"), ("bandit", "spread"), ("bandit", "exploration")]
)  # With infinity the multiplier is 0 or infinite, or not a number, after the first update.
def test_infinity_is_refused_where_it_means_nothing(rule: str, argument: str) -> None:
    (number,) = (number for number in RULES[rule].arguments if number.name == argument)
    with pytest.raises(ValueError, match=f"{argument}=inf is not allowed: a finite number"):
        number.check(math.inf)
