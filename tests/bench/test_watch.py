"""What `ppo-bench watch` reads from the folders of a study, and what it shows."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from sb3_ppo_variants.bench import watch
from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.watch import Making, StudyState, Watcher, sparkline, view
from sb3_ppo_variants.resume.file import write_members
from tests.bench.conftest import Finished
from tests.bench.run_folders import fill

MAKING = Making("clip,n_epochs=10", "CartPole-v1", 3, "node17 4242", 430, 1000, (20.0, 195.0, 482.0), 61.0)
SNAPSHOT = StudyState(
    "mine", 3, 1, 2, (MAKING, Making("ppo", "CartPole-v1", 4, "node18 7", 0, 1000)), 3430, 7000, 200.0
)
STUDY = {
    "name": "watched",
    "total_timesteps": 1000,
    "seeds": 4,
    "evaluation": {"every": 100},
    "environments": ["CartPole-v1"],
}
HOST = os.uname().nodename


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
    assert lines[0] == "mine: 3 finished, 2 being made, 2 missing, 1 failed"
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
    assert [line.lstrip("━╸ ") for line in lines] == ["mine: 3 finished, 0 being made, 2 missing", "99 % of the steps"]


def test_a_study_has_ended_when_nothing_is_missing() -> None:
    assert not SNAPSHOT.ended
    assert not replace(SNAPSHOT, making=()).ended
    assert not replace(SNAPSHOT, missing=0).ended
    assert replace(SNAPSHOT, making=(), missing=0).ended


@pytest.fixture
def study() -> Study:
    """Four runs of 1000 steps."""
    return Study.model_validate(STUDY)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "watched")


def claim(folders: Folders, run: Run) -> Path:
    folder = folders.claim(run)
    assert folder is not None
    return folder


def finish(folders: Folders, run: Run, seconds: float) -> None:
    folder = claim(folders, run)
    fill(run, folder)
    record = (folder / "run.json").read_text()
    (folder / "run.json").write_text(record.replace('"wall_seconds": 1.0', f'"wall_seconds": {seconds}'))
    folders.publish(run, folder)


def train(folder: Path, steps: int, returns: list[list[float]], seconds: float = 0.0) -> None:
    """Leave what a run has left after so many steps: an evaluation every 100 steps, of two seconds each."""
    (folder / "heartbeat").write_text(str(steps))
    at = [100 * number for number in range(1, len(returns) + 1)]
    np.savez(folder / "evaluations.npz", timesteps=at, results=returns, ep_lengths=returns)
    lines = ["timesteps,seconds,evaluation_seconds", *(f"{step},{seconds * step / at[-1]},2.0" for step in at)]
    (folder / "evaluation_times.csv").write_text("\n".join(lines) + "\n")


def test_the_states_of_the_runs(study: Study, folders: Folders) -> None:
    assert Watcher(study, folders).snapshot() == StudyState("watched", 0, 0, 4, (), 0, 4000)
    first, second, third, _ = study.runs
    finish(folders, first, 50.0)
    folders.fail(second, "ValueError: no luck")
    train(claim(folders, third), 430, [[10.0, 20.0], [20.0, 40.0]], seconds=16.0)
    made = Watcher(study, folders).snapshot()
    # 200 steps took 16 seconds and two evaluations of 2 seconds: 0.1 a step, 100 for the run, of which 57 % are left.
    making = Making(
        "ppo", "CartPole-v1", 2, f"{HOST} {os.getpid()}", 430, 1000, (15.0, 30.0), made.making[0].seconds_left
    )
    assert made.making == (making,)
    assert making.seconds_left == pytest.approx(57.0)
    assert (made.finished, made.failed, made.missing, made.steps, made.total_timesteps) == (1, 1, 1, 1430, 3000)
    # The missing run takes as long as the finished one; one worker makes both.
    assert made.seconds_left == pytest.approx(57.0 + 50.0)
    claim(folders, second)
    again = Watcher(study, folders).snapshot()
    # A failed run that is made again is no failed one. Two workers share 57 + 50 + 50 seconds.
    assert (again.failed, again.missing, len(again.making)) == (0, 1, 2)
    assert again.seconds_left == pytest.approx(78.5)


def test_the_time_left_is_that_of_runs_like_it(study: Study, folders: Folders) -> None:
    first, second, *_ = study.runs
    folder = claim(folders, first)
    (folder / "heartbeat").write_text("500")
    # Neither an evaluation nor a finished run tells of the time.
    assert Watcher(study, folders).snapshot().seconds_left is None
    train(folder, 500, [[10.0]], seconds=8.0)
    # 100 steps took 10 seconds, so a run takes 100: half of it and three more.
    assert Watcher(study, folders).snapshot().seconds_left == pytest.approx(350.0)
    finish(folders, second, 40.0)
    # What a run says of itself counts for itself, what finished runs took for the others: 50 and two of 40.
    assert Watcher(study, folders).snapshot().seconds_left == pytest.approx(130.0)


def test_a_run_whose_process_died_is_missing(study: Study, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    train(claim(folders, study.runs[0]), 500, [[10.0]])
    assert len(Watcher(study, folders).snapshot().making) == 1
    later = time.time() + 301.0
    monkeypatch.setattr(time, "time", lambda: later)
    assert Watcher(study, folders).snapshot() == StudyState("watched", 0, 0, 4, (), 0, 4000)


@pytest.mark.parametrize(("content", "steps"), [({"num_timesteps": 400}, 400), (None, 0)], ids=["whole", "damaged"])
def test_an_interrupted_run_has_the_steps_of_its_checkpoint(
    study: Study, folders: Folders, content: dict[str, int] | None, steps: int
) -> None:
    first, second, *_ = study.runs
    folder = claim(folders, first)
    train(folder, 480, [[10.0]])
    write_members(folder / "checkpoint.zip", {"about.json": json.dumps(content).encode()})
    folder.rename(folders.partial(first, 10**9))
    snapshot = Watcher(study, folders).snapshot()
    assert (snapshot.missing, snapshot.making, snapshot.steps) == (4, (), steps)
    assert snapshot.interrupted == (Making("ppo", "CartPole-v1", 0, "interrupted", steps, 1000, (10.0,)),)
    lines = shown(snapshot)
    assert lines[0] == "watched: 0 finished, 0 being made, 4 missing (1 interrupted)"
    assert lines[-1].endswith("interrupted")
    # 100 steps took 10 seconds: 60 for the rest of this run, 57 for the one that is being made, 100 for each other.
    train(claim(folders, second), 430, [[10.0]], seconds=8.0)
    if steps:
        assert Watcher(study, folders).snapshot().seconds_left == pytest.approx(60.0 + 57.0 + 200.0)


def test_a_folder_that_goes_while_it_is_read_is_no_error(
    study: Study, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(claim(folders, study.runs[0]), 500, [[10.0]])

    def alive(partial: Path, now: float) -> bool:
        shutil.rmtree(partial)
        return True

    monkeypatch.setattr(watch, "alive", alive)
    (gone,) = Watcher(study, folders).snapshot().making
    assert (gone.steps, gone.returns, gone.seconds_left) == (0, (), None)


@pytest.mark.parametrize("line", ["", "819"])
def test_half_written_files_are_no_error(study: Study, folders: Folders, line: str) -> None:
    folder = claim(folders, study.runs[0])
    for name in ("heartbeat", "evaluations.npz", "evaluation_times.csv"):
        (folder / name).write_text(f"timesteps,seconds,evaluation_seconds\n{line}")
    (made,) = Watcher(study, folders).snapshot().making
    assert (made.steps, made.returns, made.seconds_left) == (0, (), None)


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
    assert lines[0] == "tiny: 7 finished, 1 being made, 0 missing"
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
    assert output.index("7 finished, 0 being made, 1 missing") < output.index("8 finished, 0 being made, 0 missing")
    there.rename(away)
    assert main(call) == 0
    assert len(pauses) == 3
    assert capsys.readouterr().err == ""
