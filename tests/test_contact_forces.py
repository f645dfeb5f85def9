"""Stock PPO with and without contact forces, with numbers that are worked by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from benchmarks import published_runs
from benchmarks.contact_forces import contact_forces
from tests.bench.statistics.numbers import make_study, rows

STUDY = make_study(
    arms={arm: {"algorithm": "stable_baselines3.PPO"} for arm in ("base", "library_defaults")},
    baseline="base",
    environments={"Ant-v5": {}},
    seeds=[10, 11, 12],
)
# The last two evaluations count. Seed 12 is of the first study alone.
RETURNS = {
    "with": {("base", 10): 100.0, ("base", 11): 300.0, ("base", 12): 9000.0, ("library_defaults", 10): 50.0},
    "without": {("base", 10): 1200.0, ("base", 11): 1400.0, ("library_defaults", 10): 40.0},
}


def test_only_seeds_of_both_studies_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(folder: Path, runs: object) -> SimpleNamespace:
        found = (rows(arm, "Ant-v5", seed, [0.0, value, value]) for (arm, seed), value in RETURNS[folder.name].items())
        return SimpleNamespace(results=pd.DataFrame([row for of_run in found for row in of_run]))

    monkeypatch.setattr(published_runs, "read", read)
    heading, _, base, library = contact_forces((STUDY, Path("with")), (STUDY, Path("without"))).splitlines()
    assert heading == "| arm | with contact forces | without | difference (Welch) | seeds |"
    # Each mean has a standard error of 100 and one degree of freedom, whose quantile is 12.71; the difference, 141.4
    # and two, whose quantile is 4.303.
    assert base == "| `base` | 200 [-1071, 1471] | 1300 [29, 2571] | 1100 [492, 1708] | 2 |"
    assert library == "| `library_defaults` | 50.00 | 40.00 | -10.00 | 1 |"
