"""The table of the PPO paper, scored as it scores, with numbers that are worked by hand."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from benchmarks.table1 import scores, tables, training
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.study import Study
from tests.bench.statistics.numbers import make_study
from tests.bench.statistics.numbers import rows as of_run

MONITOR = '#{"t_start": 0.0, "env_id": "None"}\nr,l,t\n'


def rows(**returns: list[list[float]]) -> pd.DataFrame:
    """Rows of settings and of the random policy, for each task the means of its runs."""
    found = [
        (training.RANDOM if arm == "random" else arm, f"Task{task}", seed, value, "")
        for arm, tasks in returns.items()
        for task, values in enumerate(tasks)
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(found, columns=["arm", "environment", "seed", "mean_return", "ended"])


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "PAPER", {"clip": 0.8, "penalty": 0.7, "none": -0.4})


RETURNS = rows(
    random=[[0.0], [-10.0]],
    clip=[[80.0, 120.0], [0.0, 0.0]],
    penalty=[[40.0, 60.0], [10.0, 10.0]],
    none=[[-100.0, -100.0], [-10.0, 0.0]],
)


@pytest.mark.usefixtures("paper")
def test_zero_is_a_random_policy_and_one_the_best_setting() -> None:
    found = scores.scores(RETURNS)
    assert found["clip", "Task0"].tolist() == [0.8, 1.2]
    assert found["clip", "Task1"].tolist() == [0.5, 0.5]
    assert found["none", "Task0"].tolist() == [-1.0, -1.0]
    assert found["none", "Task1"].tolist() == [0.0, 0.5]
    of_settings = scores.settings(RETURNS)
    assert of_settings["clip"].value == pytest.approx(0.75)
    assert of_settings["penalty"].value == pytest.approx(0.75)
    assert of_settings["none"].value == pytest.approx(-0.375)


@pytest.mark.usefixtures("paper")
def test_a_task_that_a_setting_was_not_run_on_does_not_count() -> None:
    without = RETURNS[(RETURNS["arm"] != "none") | (RETURNS["environment"] != "Task1")]
    assert {name for _, name in scores.scores(without)} == {"Task0"}
    assert scores.settings(without)["penalty"].value == pytest.approx(0.5)


@pytest.mark.usefixtures("paper")
def test_the_tables() -> None:
    lines = tables.settings_table(RETURNS).splitlines()
    assert lines[2].startswith("| clip | 0.80 | 0.75 |")
    assert lines[2].endswith("| 4 | 0 |")
    assert tables.task_table(RETURNS).splitlines()[2:] == [
        "| clip | 1.00 | 0.50 |",
        "| penalty | 0.50 | 1.00 |",
        "| none | -1.00 | 0.25 |",
    ]
    # Of the three pairs of settings two have the paper's order, and one is tied here: 2 / sqrt(3 * 2).
    assert scores.kendall(RETURNS) == pytest.approx(2 / math.sqrt(6))


@pytest.mark.usefixtures("paper")
def test_the_order_of_pairs_and_what_the_intervals_decide() -> None:
    found = rows(
        random=[[0.0]],
        clip=[[100.0, 100.0, 100.0]],
        penalty=[[60.0, 60.0, 60.0]],
        none=[[50.0, 70.0, 90.0]],
    )
    # The standard error of the last one is 0.2 / sqrt(3), Student's quantile with two degrees of freedom is 4.303.
    half = 4.303 * 0.2 / math.sqrt(3)
    assert [(pair.better, pair.worse) for pair in scores.pairs(found)] == [
        ("clip", "penalty"),
        ("clip", "none"),
        ("penalty", "none"),
    ]
    assert [pair.difference for pair in scores.pairs(found)] == [
        pytest.approx((0.4, 0.4, 0.4)),
        pytest.approx((0.3, 0.3 - half, 0.3 + half), abs=0.001),
        pytest.approx((-0.1, -0.1 - half, -0.1 + half), abs=0.001),
    ]
    assert tables.order_table(found).splitlines()[2:] == [
        "| as in the paper | 2 | 1 |",
        "| the other way round | 1 | 0 |",
    ]
    assert tables.decided_table(found).splitlines()[2:] == ["| clip | penalty | 0.10 | 0.40 | 0.40 to 0.40 |"]
    assert tables.best_table(found).splitlines()[2:] == [
        "| clip | none | 1.20 | 0.30 | -0.20 to 0.80 |",
        "| clip | penalty | 0.10 | 0.40 | 0.40 to 0.40 |",
    ]


@pytest.mark.usefixtures("paper")
def test_a_study_that_has_just_begun_has_tables_too() -> None:
    begun = RETURNS[RETURNS["arm"].isin(["clip", training.RANDOM])]
    assert tables.settings_table(begun).splitlines()[3] == "| penalty | 0.70 | nan | n/a | 0 | 0 |"
    assert tables.decided_table(begun) == "No pair is decided."
    assert math.isnan(scores.kendall(begun))


def test_progress() -> None:
    study = make_study(environments={"Task0": {}, "Task1": {}}, seeds=10)
    assert len(study.runs) == 40
    begun = rows(**{arm: [[1.0]] for arm in scores.PAPER}, random=[[0.0], [0.0]])
    made = "11 of its 40 runs are made. Every setting has a run on 1 of 2 tasks; the scores are those of these tasks."
    assert tables.progress(study, begun) == made
    assert tables.progress(study, rows(clip=[[1.0] * 40])) == "All of its 40 runs are made."


def leave(folder: Path, returns: list[float], reason: str = "") -> None:
    folder.mkdir(parents=True)
    lines = (f"{value},10,1.0\n" for value in returns)
    (folder / "0.monitor.csv").write_text(MONITOR + "".join(lines))
    if reason:
        (folder / "traceback.txt").write_text(f"Traceback (most recent call last):\n  at a line\n{reason}\n")


@pytest.fixture
def study() -> Study:
    environments: dict[str, Any] = {"Known-v0": {}}
    return make_study(environments=environments, seeds=3)


def test_runs_that_numbers_ended_count_and_others_that_failed_do_not(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "random_returns", lambda run, episodes: pd.Series([1.0, 3.0]))
    folders = Folders(tmp_path)
    first, second, third = study.runs_of("mine", "Known-v0")
    leave(folders.finished(first), [-1000.0] + [5.0] * 100)
    leave(folders.failed(second), [2.0, 4.0], "FloatingPointError: loss is not finite")
    leave(folders.failed(third), [7.0], "RuntimeError: no space left")
    found = training.collect(study, folders)[["arm", "seed", "steps", "episodes", "mean_return", "ended"]]
    assert found.to_numpy().tolist() == [
        ["mine", 0, 1010, 101, 5.0, ""],
        ["mine", 1, 20, 2, 3.0, "FloatingPointError: loss is not finite"],
        [training.RANDOM, 0, 0, 100, 2.0, ""],
    ]


def test_rows_stay_where_the_folders_are_not(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "random_returns", lambda run, episodes: pd.Series([1.0]))
    folders = Folders(tmp_path)
    first, second, _ = study.runs_of("mine", "Known-v0")
    leave(folders.finished(first), [5.0])
    written = training.collect(study, folders)
    folders.finished(first).rename(tmp_path / "elsewhere")
    leave(folders.finished(second), [6.0])
    found = training.collect(study, folders)
    assert found["mean_return"].tolist() == [5.0, 6.0, 1.0]
    assert training.read(tmp_path).equals(found.reset_index(drop=True))
    assert len(written) == 2


def test_falls_are_counted_over_all_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "PAPER", {"mine": 0.8})
    tasks = {name: {"random_score": 0.0, "reference_score": 100.0} for name in ("One-v0", "Two-v0")}
    study = make_study(environments=tasks, seeds=2)
    returns = {
        ("One-v0", 0): [80.0] * 8,
        ("One-v0", 1): [0.0] * 8,
        ("Two-v0", 0): [80.0, 80.0, 80.0, 10.0, 10.0, 80.0, 80.0, 80.0],
        ("Two-v0", 1): [80.0, 80.0, 80.0, 80.0, 80.0, 10.0, 10.0, 10.0],
    }
    evaluations = [row for (name, seed), values in returns.items() for row in of_run("mine", name, seed, values)]
    monkeypatch.setattr(tables, "read", lambda folder, runs: SimpleNamespace(results=pd.DataFrame(evaluations)))
    assert tables.falls_table(study, Path()).splitlines()[2:] == ["| mine | 4 | 3 | 2 | 1 |"]


def test_the_highest_and_the_last_evaluations_of_runs_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {name: {"random_score": -3.0, "reference_score": 100.0} for name in ("One-v0", "Two-v0")}
    study = make_study(
        arms={arm: {"algorithm": "stable_baselines3.PPO"} for arm in ("clip", "no_limit")},
        baseline="clip",
        environments=tasks,
        seeds=2,
    )
    evaluations = [
        *of_run("no_limit", "One-v0", 0, [5.0, 90.0, 10.0, 20.0, 30.0]),
        *of_run("no_limit", "One-v0", 1, [-7.0, -8.0, -9.0, -10.0, -12.0]),
        *of_run("clip", "Two-v0", 0, [5.0] * 5),
    ]
    monkeypatch.setattr(tables, "read", lambda folder, runs: SimpleNamespace(results=pd.DataFrame(evaluations)))
    assert tables.unlimited_table(study, Path()).splitlines()[2:] == [
        "| One-v0 | -3 | 90, -7 | 25, -11 |",
        "| Two-v0 | -3 |  |  |",
    ]
