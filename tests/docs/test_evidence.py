"""Rows of evidence: numbers that are worked by hand, and claims that a study does not make."""

from __future__ import annotations

import re

import numpy as np
import pytest

from docs import evidence
from tests.bench.statistics.numbers import make_study

HIGH = np.array([100.0, 110.0, 120.0, 130.0, 140.0])
STUDY = make_study(
    arms={arm: {"algorithm": "stable_baselines3.PPO"} for arm in ("base", "better", "same", "worse")},
    baseline="base",
    environments={"One-v0": {"random_score": 20.0, "reference_score": 120.0}},
    seeds=5,
)
SCORES = {
    ("base", "One-v0"): HIGH - 50,
    ("better", "One-v0"): HIGH,
    ("same", "One-v0"): HIGH - 50,
    ("worse", "One-v0"): HIGH - 100,
}


@pytest.fixture(autouse=True)
def study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "published", lambda name: (STUDY, SCORES))


def test_a_row_has_the_numbers_of_a_claim() -> None:
    # The mean of 0.8, 0.9, 1.0, 1.1, 1.2 against that of 0.3 to 0.7; each has a variance of 0.025. The standard error
    # is 0.1, Student's quantile with eight degrees of freedom 2.306. Two of 252 relabellings are as extreme, which is
    # p = 0.0079, and 0.024 after Holm's correction for three arms.
    rows = evidence.evidence(
        "hand: better above base", "hand: worse below base", "hand: same undecided base"
    ).splitlines()
    assert rows[0] == "| study | arm | compared with | difference | 95 % interval | P(higher) | p after Holm |"
    report = "[hand](../benchmarks/published/hand/report.md)"
    assert rows[2:] == [
        f"| {report} | `better` | `base` | 0.50 | 0.27 to 0.73 | 1.00 | 0.024 |",
        f"| {report} | `worse` | `base` | -0.50 | -0.73 to -0.27 | 0.00 | 0.024 |",
        f"| {report} | `same` | `base` | 0.00 | -0.23 to 0.23 | 0.50 | 1 |",
    ]


def test_arms_that_a_study_does_not_compare_are_judged_by_the_interval() -> None:
    (row,) = evidence.evidence("hand: better above same").splitlines()[2:]
    assert row.endswith("| `better` | `same` | 0.50 | 0.27 to 0.73 | - | - |")
    with pytest.raises(ValueError, match="hand does not say better undecided same"):
        evidence.evidence("hand: better undecided same")


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ("hand: better below base", "evidence: hand does not say better below base"),
        ("hand: same above base", "evidence: hand does not say same above base"),
        ("hand: best above base", "evidence: the study hand has no arm 'best', only base, better, same, worse"),
        ("hand: better above ppo", "evidence: the study hand has no arm 'ppo', only base, better, same, worse"),
        ("hand, better", "evidence: 'hand, better' is not STUDY: ARM above, below or undecided OTHER"),
    ],
)
def test_what_a_study_does_not_say_is_an_error(claim: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        evidence.evidence(claim)
