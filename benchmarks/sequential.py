"""Seeds until decided, simulated: `python -m benchmarks.sequential [--studies 400]`, a quarter of an hour.

Each cell simulates studies with `seeds: {from: 5, to: 30, step: 5, until: decided}`: normal and lognormal scores, 1 and
3 tasks, 1 and 4 arms besides the baseline, of which some score higher by a shift in every task. The decisions are those
of the package. Counted are errors, decisions, and seeds, beside the least fixed number of seeds with which the test of
a usual study, after Holm's correction, finds as much. The counts are written to published/sequential/sequential.json,
from which `make fill` takes the table of docs/sequential.md.
"""

from __future__ import annotations

import argparse
import bisect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.coverage import SHAPES
from sb3_ppo_variants.bench.statistics.comparisons import holm, is_shown, permutation_test
from sb3_ppo_variants.bench.statistics.decisions import Decisions, decide
from sb3_ppo_variants.bench.statistics.intervals import Array
from sb3_ppo_variants.bench.study.seeds import UntilDecided

PUBLISHED = Path(__file__).parent / "published/sequential/sequential.json"
UNTIL = UntilDecided.model_validate({"from": 5, "to": 30, "step": 5, "until": "decided"})
BASELINE = "ppo"
# A fixed number of seeds is looked for up to so many, and up to this power: beyond, single studies decide.
MOST, CERTAIN = 40, 0.99


@dataclass(frozen=True)
class Cell:
    """What is simulated: arms besides the baseline, how many of them differ, and by how much."""

    scores: str
    tasks: int
    arms: int
    differing: int
    shift: float


CELLS = [
    Cell(scores, tasks, arms, differing, shift)
    for scores in ("normal", "lognormal")
    for tasks in (1, 3)
    for arms, differing, shift in ((1, 0, 0.0), (1, 1, 1.0), (1, 1, 2.0), (4, 0, 0.0), (4, 1, 1.0), (4, 4, 1.0))
]


def draw(cell: Cell, rng: np.random.Generator) -> dict[str, Array]:
    """Scores of the arms of a study, shape (tasks, seeds), those that differ first; the baseline last."""
    names = [*(f"arm{number}" for number in range(cell.arms)), BASELINE]
    scores = SHAPES[cell.scores](rng, (len(names), cell.tasks, MOST))
    scores[: cell.differing] += cell.shift
    return dict(zip(names, scores, strict=True))


def sequential(scores: Mapping[str, Array]) -> Decisions:
    """Make the rounds of a study: every arm gets the seeds that it has to have by what is decided so far."""
    tasks = [str(task) for task in range(len(scores[BASELINE]))]
    seeds = dict.fromkeys(scores, 0)
    while True:
        finished = {
            (arm, task): dict(enumerate(row[: seeds[arm]]))
            for arm, rows in scores.items()
            for task, row in zip(tasks, rows, strict=True)
        }
        decided = decide(finished, scores, tasks, BASELINE, UNTIL)
        wanted = {arm: len(decided.wanted(arm)) for arm in scores}
        if wanted == seeds:
            return decided
        seeds = wanted


def found_with(seeds: int, scores: Mapping[str, Array]) -> set[str]:
    """The arms that differ in a study with a fixed number of seeds."""
    cut = {arm: list(rows[:, :seeds]) for arm, rows in scores.items()}
    adjusted = holm({arm: permutation_test(rows, cut[BASELINE]) for arm, rows in cut.items() if arm != BASELINE})
    return {arm for arm, p_value in adjusted.items() if is_shown(p_value)}


def fixed_seeds(drawn: Sequence[Mapping[str, Array]], differing: set[str], power: float) -> int:
    """The least fixed number of seeds that finds such a share of the arms that differ."""

    def found(seeds: int) -> float:
        return sum(len(found_with(seeds, scores) & differing) for scores in drawn) / len(drawn) / len(differing)

    return bisect.bisect_left(range(MOST), power, key=found)


def simulate(cell: Cell, studies: int) -> dict[str, float | None]:
    """Count errors, decisions and seeds."""
    # Equal scores for no two cells.
    drawn = [draw(cell, np.random.default_rng([CELLS.index(cell), study])) for study in range(studies)]
    decided = [sequential(scores) for scores in drawn]
    differing = {f"arm{number}" for number in range(cell.differing)}
    found = [{arm for arm, each in of_study.arms.items() if each.state == "differs"} for of_study in decided]
    of_arms = float(np.mean([[each.seeds for each in of_study.arms.values()] for of_study in decided]))
    of_baseline = float(np.mean([len(of_study.wanted(BASELINE)) for of_study in decided]))
    row: dict[str, float | None] = {
        "error": float(np.mean([bool(names - differing) for names in found])),
        "power": None,
        "seeds": of_arms,
        "baseline_seeds": of_baseline,
        "fixed": None,
        "saved": None,
    }
    if differing:
        row["power"] = power = sum(len(names & differing) for names in found) / studies / len(differing)
        fixed = fixed_seeds(drawn, differing, min(power, CERTAIN))
        row["fixed"] = fixed
        row["saved"] = 1 - (cell.arms * of_arms + of_baseline) / ((cell.arms + 1) * fixed)
    return row


def main() -> None:
    """Simulate, print a table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--studies", type=int, default=400, help="simulated studies in a cell, twice where nothing differs"
    )
    parser.add_argument("--output", type=Path, default=PUBLISHED, help="the JSON")
    options = parser.parse_args()
    rows = []
    for cell in CELLS:
        studies = options.studies if cell.differing else 2 * options.studies
        rows.append({**asdict(cell), "studies": studies, **simulate(cell, studies)})
        print(rows[-1], flush=True)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"seeds": UNTIL.model_dump(by_alias=True), "cells": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
