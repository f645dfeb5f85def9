"""``ppo-bench status``: every run in one state, in a table that fits the terminal."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.status import status
from sb3_ppo_variants.bench.study.study import Study
from tests.bench.conftest import Finished
from tests.bench.statistics.numbers import make_study


def shown(study: Study, folders: Folders, width: int) -> tuple[list[str], list[str]]:
    table, lines = status(study, folders, width)
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get().splitlines(), lines


def test_a_run_that_is_being_made_is_neither_missing_nor_failed(finished: Finished, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "tiny")
    shutil.copytree(finished.folders.root, folders.root)
    run = finished.study.run("ppo", "CartPole-v1", 1)
    shutil.rmtree(folders.finished(run))
    partial = folders.claim(run)
    assert partial is not None
    (partial / "heartbeat").write_text("128")
    folders.failed(run).mkdir(parents=True)
    table, lines = shown(finished.study, folders, 80)
    assert next(line for line in table if " ppo " in line and "CartPole" in line).split() == [
        "ppo",
        "CartPole-v1",
        "1",
        "1",
    ]
    assert table[2].split() == ["arm", "environment", "finished", "running", "failed", "missing"]
    assert lines[0].startswith("running: ppo on CartPole-v1, seed 1: 50 % of its steps, about ")
    assert lines[1].startswith("93 % of all steps, about ")


@pytest.mark.parametrize("width", [64, 80])
def test_names_are_cut_and_headings_are_not(width: int, tmp_path: Path) -> None:
    arm = {"algorithm": "stable_baselines3.PPO", "grid": {"learning_rate": [0.001, 0.01], "n_epochs": [10, 20]}}
    table, _ = shown(make_study(arms={"a_long_name_of_an_arm": arm}), Folders(tmp_path), width)
    assert table[2].split() == ["arm", "environment", "finished", "running", "failed", "missing"]
    assert max(map(len, table)) <= width
    rows = [line for line in table if "=10 " in line or "=20 " in line]
    assert len(rows) == 8
    assert all("…" in row for row in rows)
