"""What the published simulation says of the intervals, and what the report says of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.coverage import PUBLISHED, capped, cells, of_mean
from sb3_ppo_variants.bench.report.sections.cautions import FEW, too_few

# Number, scores, seeds, tasks -> share of the intervals that contain the true number.
Cell = tuple[str, str, int, int]
MOST = "a quarter of the runs fails"
# Over five runs of one task: a mean, with failing runs or a long tail, and a share, which moves in steps of a fifth.
LESS = {("mean", MOST, 5, 1), ("mean", "lognormal", 5, 1), ("share above a score", "0.9", 5, 1)}


@pytest.fixture(scope="module")
def coverage() -> dict[Cell, float]:
    rows = json.loads(PUBLISHED.read_text())["coverage"]
    return {(row["number"], row["scores"], row["seeds"], row["tasks"]): row["coverage"] for row in rows}


def test_intervals_hold_from_five_seeds_on(coverage: dict[Cell, float]) -> None:
    assert {cell for cell, held in coverage.items() if cell[2] >= 5 and held < 0.93} == LESS


def test_every_number_was_simulated_often_enough(coverage: dict[Cell, float]) -> None:
    assert json.loads(PUBLISHED.read_text())["studies"] >= 4_000
    assert {cell[:2] for cell in coverage} == set(cells())
    assert len(coverage) == 12 * len(cells())


def test_the_warning_about_few_seeds_says_what_was_simulated(coverage: dict[Cell, float]) -> None:
    three, five, ten = (f"{100 * coverage['mean', MOST, seeds, 1]:.0f} %" for seeds in (3, 5, 10))
    assert FEW == 10
    assert f"in {three} of cases with 3 seeds and in {five} with 5" in too_few(4)
    assert f"with 10 seeds in {ten}" in too_few(4)
    assert "a mean over 4 seeds" in too_few(4)
    assert "a mean over 1 seed." in too_few(1)


def test_true_numbers_by_hand() -> None:
    truth = {cell: number for cell, (_, number, _) in cells().items()}
    # exp(1 / 2); 3 / 4; minus the density of the normal distribution at its mean.
    assert truth["mean", "lognormal"] == pytest.approx(1.648721, abs=1e-6)
    assert truth["mean", MOST] == 0.75
    assert truth["mean", "capped"] == pytest.approx(-0.398942, abs=1e-6)
    assert truth["IQM", "normal"] == pytest.approx(0.0, abs=2e-3)
    scores = capped(np.random.default_rng(0), (10**6,))
    assert scores.mean() == pytest.approx(truth["mean", "capped"], abs=5e-3)
    assert np.mean(scores == scores.max()) == pytest.approx(0.5, abs=5e-3)


def test_intervals_are_of_each_study() -> None:
    # Two studies of one task: those of 1, 2, 3 and of equal runs.
    found = of_mean(np.array([[[1.0, 2.0, 3.0]], [[5.0, 5.0, 5.0]]]))
    assert found == pytest.approx(np.array([[-0.484138, 5.0], [4.484138, 5.0]]), abs=1e-5)
