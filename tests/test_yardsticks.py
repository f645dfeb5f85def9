"""Stock PPO of a study beside what others publish, with numbers that are worked by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from benchmarks import published_runs, yardsticks
from tests.bench.statistics.numbers import make_study, rows

STUDY = make_study(
    arms={arm: {"algorithm": "stable_baselines3.PPO"} for arm in ("base", "rl_zoo", "library_defaults")},
    baseline="base",
    environments={"Hopper-v5": {}},
    seeds=2,
)


def test_best_point_is_that_of_the_mean_over_the_runs() -> None:
    # Means of the two runs: 15, 45, 40. Their own best points are 60 and 70.
    found = [*rows("base", "Hopper-v5", 0, [20.0, 60.0, 10.0]), *rows("base", "Hopper-v5", 1, [10.0, 30.0, 70.0])]
    frame = pd.DataFrame(found)
    assert yardsticks.best_point([frame[frame["seed"] == 0], frame[frame["seed"] == 1]]) == 45.0


def test_scores_beside_what_others_publish(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = {"base": [0.0, 3000.0, 1000.0], "rl_zoo": [0.0, 100.0, 300.0], "library_defaults": [0.0, 8.0, 6.0]}
    found = [row for arm, values in returns.items() for row in rows(arm, "Hopper-v5", 0, values)]
    monkeypatch.setattr(published_runs, "read", lambda folder, runs: SimpleNamespace(results=pd.DataFrame(found)))
    heading, _, line = yardsticks.yardsticks(STUDY, Path()).splitlines()
    assert heading == "| task | tianshou | RL Zoo | SLM-Lab 5 | `base` | `rl_zoo` | `library_defaults` |"
    # The last two evaluations count: 2000, 200, 7.
    assert line == "| Hopper-v5 | 2609 | 2410 | 1654 | 2000 (3000) | 200 (300) | 7 (8) |"


def test_a_stock_arm_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no finished run of base on Hopper-v5, rl_zoo on Hopper-v5"):
        yardsticks.yardsticks(STUDY, tmp_path)
