"""What the published simulation says of seeds until decided."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from benchmarks.sequential import BASELINE, CELLS, PUBLISHED, UNTIL, draw, fixed_seeds, sequential, simulate


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(PUBLISHED.read_text())
    return content


def test_every_kind_of_study_was_simulated(published: dict[str, Any]) -> None:
    assert published["seeds"] == UNTIL.model_dump(by_alias=True)
    names = asdict(CELLS[0])
    assert [{name: row[name] for name in names} for row in published["cells"]] == [asdict(cell) for cell in CELLS]


def test_errors_are_within_chance_of_what_they_may_be(published: dict[str, Any]) -> None:
    for row in published["cells"]:
        assert row["studies"] >= 400
        assert row["error"] <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / row["studies"])


def test_a_cell_is_simulated() -> None:
    cell = CELLS[8]
    assert (cell.tasks, cell.arms, cell.differing, cell.shift) == (3, 1, 1, 2.0)
    row = simulate(cell, 3)
    assert (row["power"], row["error"], row["baseline_seeds"]) == (1.0, 0.0, row["seeds"])
    assert row["fixed"] is not None
    assert row["fixed"] <= 8


def test_rounds_end_with_the_decision() -> None:
    scores = draw(CELLS[3], np.random.default_rng(0))
    assert {arm: rows.shape for arm, rows in scores.items()} == dict.fromkeys(
        ["arm0", "arm1", "arm2", "arm3", BASELINE], (1, 40)
    )
    decided = sequential(scores)
    assert all(found.state != "open" and found.seeds < 30 for found in decided.arms.values())
    # Three runs of each in two tasks: 2 of 400 relabellings. Two runs: 2 of 36.
    low, high = np.tile(np.arange(40.0), (2, 1)), np.tile(np.arange(40.0) + 100, (2, 1))
    assert fixed_seeds([{"arm0": high, BASELINE: low}], {"arm0"}, 0.99) == 3
