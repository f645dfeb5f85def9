from __future__ import annotations

import math

import pytest

from sb3_ppo_variants.bench.report.numbers import duration, mean_return, number, p_value, significant
from sb3_ppo_variants.bench.statistics.intervals import Estimate


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (math.nan, "?"),
        (math.inf, "?"),
        (0.0, "0 s"),
        (0.2, "1 s"),
        (59.0, "59 s"),
        (59.5, "1 min"),
        (61.0, "1 min"),
        (3599.0, "1 h 0 min"),
        (3900.0, "1 h 5 min"),
        (90_000.0, "1 d 1 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(123456.0, "123500"), (22.7, "22.7"), (0.00012345, "0.0001234"), (-1234.5, "-1234")]
)
def test_four_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (123456.0, "123456"),
        (22.713, "22.71"),
        (0.1234, "0.123"),
        (0.00012, "0.000120"),
        (-0.05, "-0.0500"),
        (0.0, "0.000"),
    ],
)
def test_three_to_four_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_a_p_value_does_not_round_to_the_level() -> None:
    assert [p_value(value) for value in (0.0504, 0.0496, 0.05, 0.0123, math.nan)] == [
        "0.0504",
        "0.0496",
        "0.05",
        "0.012",
        "n/a",
    ]


def test_a_mean_whose_interval_has_no_end() -> None:
    nan, inf = math.nan, math.inf
    assert mean_return(Estimate(1e155, -inf, inf)) == "1e+155"
    assert mean_return(Estimate(nan, nan, nan)) == "n/a"
    assert mean_return(Estimate(inf, inf, inf)) == "inf"
