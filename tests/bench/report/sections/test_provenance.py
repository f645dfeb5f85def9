"""What was run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from sb3_ppo_variants.bench.report.sections.provenance import what_was_run
from sb3_ppo_variants.bench.runs.sources import source_hash
from sb3_ppo_variants.bench.table.table import Tables
from tests.bench.statistics.numbers import make_study

EMPTY = Tables(pd.DataFrame(), pd.DataFrame({"seconds": [3600.0]}), pd.DataFrame(), pd.DataFrame(), [])
SAMPLED = {"every": 100, "last": 2, "deterministic": False}
REST = "returns without normalisation, in a separate environment with seed + 10000"


@pytest.mark.parametrize(
    ("settings", "actions"),
    [
        ({}, "deterministic actions"),
        ({"evaluation": SAMPLED}, "sampled actions"),
        (
            {"environments": {"A-v0": {}, "B-v0": {"evaluation": SAMPLED}}},
            "deterministic actions in A-v0 and sampled actions in B-v0",
        ),
    ],
)
def test_the_actions_of_evaluations_are_those_of_the_study(settings: dict[str, object], actions: str) -> None:
    section = what_was_run(make_study(**settings), EMPTY, failed=0, missing=4, parquet=True)
    texts = {definition.term: definition.texts for definition in section.definitions}
    assert texts["Evaluation"] == [f"{actions}, {REST}"]
    assert texts["Runs"] == ["0 finished, 0 failed, 4 missing; 1.0 hours of computing, one thread per run"]


def test_the_runs_that_ended_early() -> None:
    place: dict[str, Any] = {
        "command": "", "cpu": "", "platform": "", "python": "", "versions": {}, "git": None, "sb3_contrib": None,
    }  # fmt: skip
    ends = [("a.Stop", 300), ("a.Stop", 200), (None, 100), ("a.Stop", 200)]
    records: list[dict[str, Any]] = [{"provenance": place}]
    records += [{"provenance": place, "ended": {"callback": name, "timesteps": steps}} for name, steps in ends]
    section = what_was_run(make_study(), replace(EMPTY, records=records), failed=0, missing=0, parquet=True)
    texts = {definition.term: definition.texts for definition in section.definitions}
    assert texts["Runs that ended early"] == [
        "3 ended by a.Stop, at 200 to 300 steps",
        "1 ended by a callback that is not known, at 100 steps",
        "their last evaluation is carried forward to the budget, in rows of results.csv with 0 episodes",
    ]
    whole = what_was_run(make_study(), EMPTY, failed=0, missing=0, parquet=True)
    assert "Runs that ended early" not in {definition.term for definition in whole.definitions}


def test_own_code_that_has_changed_since() -> None:
    place: dict[str, Any] = {
        "command": "", "cpu": "", "platform": "", "python": "", "versions": {}, "git": None, "sb3_contrib": None,
    }  # fmt: skip
    same = str(source_hash("tests.own_code.STEADY"))
    own = {**place, "sources": {"tests.own_code.DISTANCE": "0123", "tests.own_code.STEADY": same}}
    records = [{"provenance": place}, {"provenance": own}]
    section = what_was_run(make_study(), replace(EMPTY, records=records), failed=0, missing=0, parquet=True)
    assert {definition.term: definition.texts for definition in section.definitions}["Own code"] == [
        "tests.own_code.DISTANCE, source 0123",
        f"tests.own_code.STEADY, source {same}",
        "stale: tests.own_code.DISTANCE is not as it was in 1 run",
    ]
