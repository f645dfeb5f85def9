from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.folders import Folders
from sb3_ppo_variants.bench.run import Run
from sb3_ppo_variants.bench.study import Study


@pytest.fixture
def run() -> Run:
    study = Study.model_validate(
        {
            "name": "folders",
            "total_timesteps": 1000,
            "seeds": 1,
            "evaluation": {"every": 100},
            "environments": ["CartPole-v1"],
        }
    )
    return study.runs()[0]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "results" / "folders")


def dead_process_folder(folders: Folders, run: Run) -> Path:
    """Make the partial folder of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    mine = folders.start(run)
    dead = mine.with_name(mine.name.removesuffix(str(os.getpid())) + str(process.pid))
    mine.rename(dead)
    return dead


def test_a_run_appears_by_one_rename(folders: Folders, run: Run) -> None:
    partial = folders.start(run)
    (partial / "run.json").write_text("mine")
    assert not folders.finished(run).exists()
    folders.publish(run, partial)
    assert not partial.exists()
    assert (folders.finished(run) / "run.json").read_text() == "mine"


def test_the_first_to_finish_wins(folders: Folders, run: Run) -> None:
    for text in ("first", "second"):
        partial = folders.start(run)
        (partial / "run.json").write_text(text)
        folders.publish(run, partial)
    assert (folders.finished(run) / "run.json").read_text() == "first"
    assert not partial.exists()


def test_clean_removes_only_what_the_dead_left(folders: Folders, run: Run) -> None:
    dead = dead_process_folder(folders, run)
    living = folders.start(run)
    elsewhere = living.with_name(living.name.replace("@", "@another-machine-"))
    elsewhere.mkdir()
    folders.clean()
    assert not dead.exists()
    assert living.exists()
    assert elsewhere.exists()


def test_clean_leaves_no_empty_folder(folders: Folders, run: Run) -> None:
    dead = dead_process_folder(folders, run)
    folders.clean()
    assert not dead.parent.exists()


def test_a_failure_keeps_the_logs_until_a_success(folders: Folders, run: Run) -> None:
    (folders.start(run) / "progress.csv").write_text("kept")
    folders.fail(run, "first\n")
    folders.start(run)
    folders.fail(run, "second\n")
    assert (folders.failed(run) / "traceback.txt").read_text() == "second\n"
    assert not (folders.failed(run) / "progress.csv").exists()
    folders.publish(run, folders.start(run))
    assert not folders.failed(run).parent.exists()


def test_a_failure_never_takes_the_folder_of_a_living_process(folders: Folders, run: Run) -> None:
    mine = folders.start(run)
    # The parent of this process lives as long as the test does.
    living = mine.with_name(mine.name.removesuffix(str(os.getpid())) + str(os.getppid()))
    mine.rename(living)
    folders.fail(run, "killed\n")
    assert living.exists()
    assert (folders.failed(run) / "traceback.txt").read_text() == "killed\n"


def test_heartbeat(folders: Folders, run: Run) -> None:
    assert folders.heartbeat(run) == 0
    partial = folders.start(run)
    assert folders.heartbeat(run) == 0
    (partial / "heartbeat").write_text("512")
    assert folders.heartbeat(run) == 512
