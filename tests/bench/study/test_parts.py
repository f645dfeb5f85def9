"""A user's own parts in the arguments of a run, and their versions in its identity."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sb3_ppo_variants.bench.study.parts import missing_parts, own_parts
from tests.bench.studies import RUN

ARGUMENTS = {
    "objective": ["clip", "tests.own_code.DISTANCE", "tests.own_code:plain"],
    "regularizers": "my.smooth",
    "hooks": ["my.Hook"],
    "adapt": {"clip_range": {"rule": "my.rule"}, "kl_coef": {"rule": "band"}},
    "stop": {"my.stop": 2.0, "kl": 0.01},
    "learning_rate": "lin_3.0",
}


def test_all_places_are_looked_at() -> None:
    assert own_parts(ARGUMENTS) == [
        "my.Hook", "my.rule", "my.smooth", "my.stop", "tests.own_code.DISTANCE", "tests.own_code:plain",
    ]  # fmt: skip
    assert own_parts({"adapt": None, "stop": None, "objective": "clip"}) == []
    # Wrong, which the class says; a report of other runs is not its place.
    assert own_parts({"adapt": {"kl_coef": "band", "clip_range": 3}}) == []


def hashed(objective: Any) -> dict[str, Any]:
    run = replace(RUN, algorithm="sb3_ppo_variants.VariantPPO", arguments={"objective": objective})
    return dict(json.loads(run.hashed_json))


def test_a_version_belongs_to_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "versions" not in hashed(["clip", "tests.own_code.DISTANCE"])
    assert hashed(["tests.own_code.SECOND"])["versions"] == {"tests.own_code.SECOND": 2}
    monkeypatch.setattr("tests.own_code.distance.version", "b", raising=False)
    assert hashed("tests.own_code.distance")["versions"] == {"tests.own_code.distance": "b"}


def test_what_cannot_be_imported_has_no_version_and_says_why() -> None:
    assert "versions" not in hashed("nowhere.PART")
    (missing,) = missing_parts({"objective": ["tests.own_code.DISTANCE", "nowhere.PART"]})
    assert missing.startswith("nowhere.PART: ModuleNotFoundError: module nowhere is neither installed nor in ")
