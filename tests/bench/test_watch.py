"""What `ppo-bench watch` reads from the folders of a study, and what it shows."""

from __future__ import annotations

import io
import math
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.snapshots import Making, StudyState
from sb3_ppo_variants.bench.watch import sparkline, view
from tests.bench.conftest import Finished
from tests.bench.test_snapshots import claim, train

MAKING = Making("clip,n_epochs=10", "CartPole-v1", 3, "node17 4242", 430, 1000, (20.0, 195.0, 482.0), 61.0)
SNAPSHOT = StudyState(
    "mine", 3, 1, 2, (MAKING, Making("ppo", "CartPole-v1", 4, "node18 7", 0, 1000)), 3430, 7000, 200.0
)


def shown(snapshot: StudyState) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=100, highlight=False).print(view(snapshot))
    return [line.strip() for line in file.getvalue().splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([5.0], "▁"),
        ([3.0, 3.0], "▁▁"),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "▁▂▃▄▅▆▇█"),
        # 0.4 of seven bars is nearest to none, 0.6 to one.
        ([0.0, 0.4, 0.6, 7.0, -0.0], "▁▁▂█▁"),
        ([-1200.0, -150.0, math.nan, -math.inf, -675.1], "▁█  ▄"),
        ([-1.7e308, 1.7e308], "▁█"),
    ],
)
def test_a_sparkline(values: list[float], bars: str) -> None:
    assert sparkline(values) == bars


def test_a_snapshot_is_shown() -> None:
    lines = shown(SNAPSHOT)
    assert lines[0] == "mine: 3 finished, 2 running, 2 missing, 1 failed"
    # 3430 of 7000 steps.
    assert lines[1].endswith("49 % of the steps, about 3 min left")
    assert lines[1].count("━") == 15
    assert " ".join(lines[2].split()) == "arm environment seed steps left returns of evaluations made by"
    assert lines[4].split() == [
        "clip,n_epochs=10", "CartPole-v1", "3", "43", "%", "1", "min", "▁▄█", "482.0", "node17", "4242",
    ]  # fmt: skip
    # Nothing is said of what nobody knows.
    assert lines[5].split() == ["ppo", "CartPole-v1", "4", "0", "%", "node18", "7"]
    assert len(lines) == 6


def test_nothing_is_said_of_what_is_not_known() -> None:
    lines = shown(replace(SNAPSHOT, making=(), failed=0, steps=6999, seconds_left=None))
    # A study is at 100 % when all of it is made.
    assert [line.lstrip("━╸ ") for line in lines] == ["mine: 3 finished, 0 running, 2 missing", "99 % of the steps"]


def test_interrupted_runs_are_among_the_missing_ones() -> None:
    lines = shown(replace(SNAPSHOT, making=(), failed=0, interrupted=(replace(MAKING, maker="interrupted"),)))
    assert lines[0] == "mine: 3 finished, 0 running, 2 missing (1 interrupted)"
    assert lines[-1].endswith("interrupted")


def test_trials_are_shown_as_rounds() -> None:
    lines = shown(replace(SNAPSHOT, tuning="5 of 60 trials"))
    assert lines[0] == "mine, tuning, 5 of 60 trials are known: 3 finished, 2 running, 2 missing, 1 failed"
    assert lines[1].endswith("49 % of the steps of this round, about 3 min left")


def test_a_study_has_ended_when_nothing_is_missing() -> None:
    assert not SNAPSHOT.ended
    assert not replace(SNAPSHOT, making=()).ended
    assert not replace(SNAPSHOT, missing=0).ended
    assert replace(SNAPSHOT, making=(), missing=0).ended
    assert not replace(SNAPSHOT, making=(), missing=0, tuning="5 of 60 trials").ended


def state(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def test_the_command_outside_of_a_terminal(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished.folders.root, tmp_path / "tiny")
    folders, run = Folders(tmp_path / "tiny"), finished.study.run("ppo", "CartPole-v1", 1)
    shutil.rmtree(folders.finished(run))
    train(claim(folders, run), 128, [[10.0]])
    before = state(tmp_path)
    assert main(["watch", str(finished.path), "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tiny: 7 finished, 1 running, 0 missing"
    # Seven runs and half of one.
    assert "93 % of the steps, about " in lines[1]
    assert sum("CartPole-v1" in line for line in lines) == 1
    assert state(tmp_path) == before


def test_the_command_in_a_terminal(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    shutil.copytree(finished.folders.root, tmp_path / "tiny")
    run = finished.study.run("ppo", "CartPole-v1", 1)
    there, away = Folders(tmp_path / "tiny").finished(run), tmp_path / "away"
    there.rename(away)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            away.rename(there)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", pause)
    # It ends by itself when nothing is missing any more.
    call = ["watch", str(finished.path), "--results", str(tmp_path)]
    assert main(call) == 0
    assert pauses == [2.0, 2.0]
    output = capsys.readouterr().out
    assert output.index("7 finished, 0 running, 1 missing") < output.index("8 finished, 0 running, 0 missing")
    there.rename(away)
    assert main(call) == 0
    assert len(pauses) == 3
    assert capsys.readouterr().err == ""
