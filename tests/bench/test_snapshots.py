"""What is read from the folders of a study that is being made."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from sb3_ppo_variants.bench import snapshots
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.snapshots import Making, StudyState, Watcher
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.resume.file import write_members
from tests.bench.conftest import Finished
from tests.bench.run_folders import fill, leave_tables

STUDY = {
    "name": "watched",
    "total_timesteps": 1000,
    "seeds": 4,
    "evaluation": {"every": 100},
    "environments": ["CartPole-v1"],
}
HOST = os.uname().nodename


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


def test_runs_that_only_tables_have_tell_the_time(finished: Finished, half: Path) -> None:
    folders = Folders(half / "tiny")
    leave_tables(finished.study, folders)
    missing = [finished.study.run("ppo", "CartPole-v1", 1), finished.study.run("narrow", "CartPole-v1", 0)]
    (claim(folders, missing[0]) / "heartbeat").write_text("0")
    # Two runs of 90 seconds, one after the other.
    assert Watcher(finished.study, folders).snapshot().seconds_left == 180.0


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

    monkeypatch.setattr(snapshots, "alive", alive)
    (gone,) = Watcher(study, folders).snapshot().making
    assert (gone.steps, gone.returns, gone.seconds_left) == (0, (), None)


@pytest.mark.parametrize("line", ["", "819"])
def test_half_written_files_are_no_error(study: Study, folders: Folders, line: str) -> None:
    folder = claim(folders, study.runs[0])
    for name in ("heartbeat", "evaluations.npz", "evaluation_times.csv"):
        (folder / name).write_text(f"timesteps,seconds,evaluation_seconds\n{line}")
    (made,) = Watcher(study, folders).snapshot().making
    assert (made.steps, made.returns, made.seconds_left) == (0, (), None)
