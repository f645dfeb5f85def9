"""Which parts of a screen go on, with numbers that are worked by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import published_runs, screen
from sb3_ppo_variants.bench.validation import read_study
from tests.bench.statistics.numbers import make_study, rows


def test_every_part_and_set_is_of_the_study() -> None:
    study = read_study(screen.STUDY)
    assert {*screen.STOCK, *screen.OF_STOCK, *set().union(*screen.EXCLUSIVE)} < set(study.arms)
    assert all(
        task.random_score is not None and task.reference_score is not None for task in study.environments.values()
    )


def test_of_parts_that_exclude_each_other_the_best_one_is_combined() -> None:
    gained = {"spo": 0.30, "gsde": 0.20, "dual_clip": 0.15, "layer_norm": 0.12, "rpo": 0.10, "adam_rel": 0.06}
    assert screen.combination(gained) == ["spo", "gsde", "layer_norm", "adam_rel"]
    assert screen.combination({"spo": 0.05, "gsde": -0.1}) == []
    assert screen.combination({"gsde": 0.051, "binned": 0.0501, "spo": 0.05}) == ["gsde"]


def test_the_best_part_of_stock_ppo_takes_the_best_other_one_with_it() -> None:
    assert screen.finalists({"spo": 0.3, "gsde": 0.2}) == ["spo"]
    assert screen.finalists({"gsde": 0.3, "adam_rel_rate": 0.2, "churn": 0.1, "spo": 0.0}) == ["gsde", "churn"]


def test_what_the_parts_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {
        "One-v0": {"random_score": 0.0, "reference_score": 100.0},
        "Two-v0": {"random_score": -10.0, "reference_score": 10.0},
    }
    arms = {arm: {"algorithm": "stable_baselines3.PPO"} for arm in ("base", "rl_zoo", "spo", "gsde")}
    study = make_study(arms=arms, baseline="base", environments=tasks, seeds=2)
    # The last two of the three evaluations count.
    returns: dict[str, dict[str, tuple[list[float], list[float]]]] = {
        "base": {"One-v0": ([0, 40, 60], [0, 50, 50]), "Two-v0": ([0, 0, 0], [0, 0, 0])},
        "rl_zoo": {"One-v0": ([0, 90, 90], [0, 90, 90]), "Two-v0": ([0, 10, 10], [0, 10, 10])},
        "spo": {"One-v0": ([0, 60, 60], [0, 80, 80]), "Two-v0": ([0, 2, 2], [0, 4, 4])},
        "gsde": {"One-v0": ([0, 20, 20], [0, 30, 30]), "Two-v0": ([0, 1, 1], [0, 1, 1])},
    }
    found = [
        row
        for arm, of_tasks in returns.items()
        for name, runs in of_tasks.items()
        for seed, values in enumerate(runs)
        for row in rows(arm, name, seed, values)
    ]
    monkeypatch.setattr(published_runs, "read", lambda folder, runs: SimpleNamespace(results=pd.DataFrame(found)))
    scores = screen.normalised(study, Path())
    assert np.allclose(scores["spo"], [[0.6, 0.8], [0.6, 0.7]])
    # Means over the tasks: 0.5 of the base, 0.675 of spo, 0.4 of gsde.
    assert screen.ranked(scores, "base") == pytest.approx({"spo": 0.175, "gsde": -0.1})
    assert list(screen.ranked(scores, "base")) == ["spo", "gsde"]
    lines = screen.gains_table(study, scores).splitlines()
    assert lines[0] == "| arm | One-v0 | Two-v0 | mean | above base by | 95 % interval |"
    assert lines[2] == "| base | 0.50 | 0.50 | 0.50 | - | - |"
    assert [line.split(" | ")[0] for line in lines[3:]] == ["| rl_zoo", "| spo", "| gsde"]
    assert screen.choice(study, scores) == "Best part: `spo`. The combination has `spo`."
    assert lines[-1].startswith("| gsde | 0.25 | 0.55 | 0.40 | -0.10 | -")
    low = {"base": [np.array([0.1, 0.3]), np.array([0.25, 0.24])], "spo": [np.array([0.2, 0.9]), np.array([1.0, 1.0])]}
    assert screen.ends(study, low) == "2 of 4 runs on One-v0 and 1 of 4 runs on Two-v0 end below a score of 0.25."
    one = {arm: [of_runs[:1] for of_runs in tasks] for arm, tasks in scores.items()}
    assert screen.gains_table(study, one).splitlines()[-1].endswith("| n/a |")
    equal = {arm: [np.array([0.5, 0.5])] * 2 for arm in scores}
    assert screen.choice(study, equal) == "Best part: `spo`. No part gains enough for a combination."
    less = scores | {"gsde": [of_runs[:1] for of_runs in scores["gsde"]]}
    assert screen.choice(study, less) == "14 of the 16 runs are made, so nothing is chosen yet."


def test_a_study_that_is_not_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has no finished run of mine on Known-v0, mine on Range-v0"):
        screen.normalised(make_study(baseline="mine"), tmp_path)
