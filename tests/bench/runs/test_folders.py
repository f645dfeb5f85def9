from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from sb3_ppo_variants.bench.runs.folders import Folders, label
from sb3_ppo_variants.bench.runs.record import NotWhole, files_of
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from tests.bench.run_folders import fill
from tests.waiting import PATIENCE

pytestmark = pytest.mark.processes


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
    return study.runs[0]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "results" / "folders")


def claim(folders: Folders, run: Run) -> Path:
    """Claim a run that nobody else has."""
    folder = folders.claim(run)
    assert folder is not None
    return folder


def of_process(mine: Path, pid: int) -> Path:
    """Name of the partial folder that another process of this machine would have."""
    return mine.with_name(mine.name.removesuffix(str(os.getpid())) + str(pid))


def dead_process_folder(folders: Folders, run: Run) -> Path:
    """Make the partial folder of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    mine = claim(folders, run)
    dead = of_process(mine, process.pid)
    mine.rename(dead)
    return dead


def test_a_run_appears_by_one_rename(folders: Folders, run: Run) -> None:
    partial = claim(folders, run)
    fill(run, partial, "mine")
    assert not folders.finished(run).exists()
    folders.publish(run, partial)
    assert not partial.exists()
    assert (folders.finished(run) / "output.txt").read_text() == "mine"


def test_the_first_to_finish_wins(folders: Folders, run: Run) -> None:
    first = claim(folders, run)
    second = first.with_name(first.name + "0")
    shutil.copytree(first, second)
    for text, partial in (("first", first), ("second", second)):
        fill(run, partial, text)
        folders.publish(run, partial)
        assert not partial.exists()
    assert (folders.finished(run) / "output.txt").read_text() == "first"


def test_a_folder_without_all_files_of_a_run_is_never_published(folders: Folders, run: Run) -> None:
    """SB3 makes a folder anew that was taken away, when it saves the model; a record is written into it last."""
    partial = claim(folders, run)
    fill(run, partial)
    whole = partial.with_name(partial.name + "0")
    shutil.copytree(partial, whole)
    shutil.rmtree(partial)
    partial.mkdir()
    for name in ("CartPole-v1.zip", "run.json"):
        shutil.copy(whole / name, partial)
    with pytest.raises(NotWhole, match="evaluations.npz is missing"):
        folders.publish(run, partial)
    record = json.loads((partial / "run.json").read_text())
    record["files"] = files_of(partial)
    (partial / "run.json").write_text(json.dumps(record))
    with pytest.raises(NotWhole, match="evaluations.npz is missing"):
        folders.publish(run, partial)
    assert not folders.is_finished(run)
    folders.publish(run, whole)
    assert folders.is_finished(run)


def test_a_finished_run_cannot_be_claimed(folders: Folders, run: Run) -> None:
    fill(run, claim(folders, run))
    folders.publish(run, folders.partial(run))
    assert folders.claim(run) is None
    assert not folders.partials(run)


@pytest.mark.parametrize("place", ["dead", "same number", "failed"])
def test_a_run_that_was_killed_before_its_rename_is_finished(folders: Folders, run: Run, place: str) -> None:
    """Without its checkpoint it would be made again."""
    left = {"dead": dead_process_folder, "same number": claim, "failed": claim}[place](folders, run)
    fill(run, left)
    if place == "failed":
        folders.fail(run, "No space left on device", left)
    folders.clean()
    assert folders.claim(run) is None
    assert folders.is_finished(run)
    assert not folders.partials(run)
    assert not folders.failed(run).exists()


def test_what_a_killed_run_wrote_after_its_record_is_not_whole(folders: Folders, run: Run) -> None:
    left = dead_process_folder(folders, run)
    fill(run, left)
    (left / "output.txt").write_text("more")
    assert folders.claim(run) is not None
    assert not left.exists()


def test_a_run_that_cannot_be_published_keeps_its_checkpoint(folders: Folders, run: Run) -> None:
    mine = claim(folders, run)
    fill(run, mine)
    (mine / "checkpoint.zip").write_text("state")
    folders.finished(run).parent.write_text("in the way")
    with pytest.raises(FileExistsError):
        folders.publish(run, mine)
    assert (mine / "checkpoint.zip").read_text() == "state"


def test_a_run_that_somebody_makes_cannot_be_claimed(folders: Folders, run: Run) -> None:
    mine = claim(folders, run)
    living = of_process(mine, os.getppid())
    mine.rename(living)
    assert folders.claimed(run)
    assert folders.claim(run) is None
    assert folders.partials(run) == [living]


def test_the_claim_of_a_dead_process_is_taken_over(folders: Folders, run: Run) -> None:
    dead = dead_process_folder(folders, run)
    assert not folders.claimed(run)
    assert claim(folders, run).exists()
    assert not dead.exists()


def test_the_last_checkpoint_of_the_dead_is_taken_over(folders: Folders, run: Run) -> None:
    older, last = dead_process_folder(folders, run), dead_process_folder(folders, run)
    for number, folder in enumerate((older, last)):
        folder.mkdir(exist_ok=True)
        (folder / "checkpoint.zip").write_text(folder.name)
        (folder / "progress.csv").write_text("of the past")
        os.utime(folder / "checkpoint.zip", (number, number))
    mine = claim(folders, run)
    assert (mine / "checkpoint.zip").read_text() == last.name
    assert [path.name for path in mine.iterdir()] == ["checkpoint.zip"]
    assert folders.partials(run) == [mine]


def test_a_run_ended_at_its_time_limit_goes_on(folders: Folders, run: Run) -> None:
    left = claim(folders, run)
    (left / "checkpoint.zip").write_text("state")
    folders.fail(run, "The run was ended at its time limit of 1 minutes.", left)
    assert (claim(folders, run) / "checkpoint.zip").read_text() == "state"


def test_a_run_that_could_not_begin_keeps_its_checkpoint(folders: Folders, run: Run) -> None:
    left = claim(folders, run)
    (left / "checkpoint.zip").write_text("state")
    folders.fail(run, "The run was ended at its time limit of 1 minutes.", left)
    folders.fail(run, "The workers of this executor are daemonic processes.")
    assert folders.reason(run) == "The workers of this executor are daemonic processes."
    assert (claim(folders, run) / "checkpoint.zip").read_text() == "state"


def test_a_process_with_the_number_of_a_dead_one_goes_on(folders: Folders, run: Run) -> None:
    """In a container that is started again processes have the numbers that they had."""
    left = claim(folders, run)
    (left / "checkpoint.zip").write_text("state")
    (left / "CartPole-v1").mkdir()
    (left / "progress.csv").touch()
    mine = claim(folders, run)
    assert mine == left
    assert [path.name for path in mine.iterdir()] == ["checkpoint.zip"]


def test_a_checkpoint_is_there_until_the_run_is_published(folders: Folders, run: Run) -> None:
    mine = claim(folders, run)
    (mine / "checkpoint.zip").write_text("state")
    fill(run, mine)
    folders.publish(run, mine)
    assert not (folders.finished(run) / "checkpoint.zip").exists()


def test_clean_keeps_a_checkpoint_until_the_run_is_finished(folders: Folders, run: Run) -> None:
    dead = dead_process_folder(folders, run)
    (dead / "checkpoint.zip").touch()
    folders.clean()
    assert dead.exists()
    folders.finished(run).mkdir(parents=True)
    folders.clean()
    assert not dead.exists()


def test_a_folder_with_a_strange_name_is_nobodys(folders: Folders, run: Run) -> None:
    mine = claim(folders, run)
    strange = mine.with_name(mine.name.rpartition("-")[0] + "-x")
    strange.mkdir()
    os.utime(strange, (1000.0, 1000.0))
    assert folders.claimed(run)
    folders.clean()
    assert folders.partials(run) == [mine]


@pytest.mark.parametrize(("age", "held"), [(200.0, True), (400.0, False)])
def test_a_claim_of_another_machine_holds_for_five_minutes(folders: Folders, run: Run, age: float, held: bool) -> None:
    mine = claim(folders, run)
    elsewhere = mine.with_name(mine.name.replace("@", "@another-machine-"))
    mine.rename(elsewhere)
    (elsewhere / "heartbeat").write_text("512")
    assert folders.claimed(run)
    for path in (elsewhere / "heartbeat", elsewhere):
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    assert folders.claimed(run) == held
    folders.clean()
    assert elsewhere.exists() == held
    assert (folders.claim(run) is None) == held


def test_a_dead_process_that_nobody_has_waited_for_is_dead(folders: Folders, run: Run) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        claim(folders, run).rename(folders.partial(run, process.pid))
        assert folders.claimed(run)
        process.kill()
        # Wait for its end without taking its exit status.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not folders.claimed(run)


def test_a_number_that_another_process_got_is_no_claim_for_ever(folders: Folders, run: Run) -> None:
    mine = claim(folders, run)
    reused = of_process(mine, os.getppid())
    mine.rename(reused)
    os.utime(reused, (reused.stat().st_mtime - 400.0,) * 2)
    assert not folders.claimed(run)


def claim_at_once(folders: Folders, run: Run, barrier: Barrier) -> bool:
    barrier.wait()
    claimed = folders.claim(run) is not None
    # A claim of a process that has ended holds no more.
    barrier.wait()
    return claimed


def test_claims_at_once_give_a_run_to_one_process_at_most(folders: Folders, run: Run) -> None:
    context, given = multiprocessing.get_context("fork"), []
    with context.Manager() as manager, ProcessPoolExecutor(4, mp_context=context) as executor:
        for round_ in range(20):
            barrier = manager.Barrier(4)
            one = replace(run, seed=round_)
            claims = [executor.submit(claim_at_once, folders, one, barrier) for _ in range(4)]
            given.append(sum(claim.result() for claim in claims))
    assert set(given) <= {0, 1}
    assert 1 in given


def test_a_run_is_on_the_disk_before_it_is_in_its_place(
    folders: Folders, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial, done, rename = claim(folders, run), [], os.rename
    fill(run, partial)
    files = {path.name for path in partial.iterdir()} - {"checkpoint.zip"}

    def renamed(source: Any, target: Any) -> None:
        done.append("renamed")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append(Path(f"/dev/fd/{descriptor}").resolve().name))
    monkeypatch.setattr(os, "rename", renamed)
    folders.publish(run, partial)
    assert {*files, partial.name} <= {*done[: done.index("renamed")]}
    assert done[-1] == "renamed"


def test_clean_removes_only_what_the_dead_left(folders: Folders, run: Run) -> None:
    dead = dead_process_folder(folders, run)
    living = claim(folders, run)
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
    (claim(folders, run) / "progress.csv").write_text("kept")
    folders.fail(run, "first\n")
    claim(folders, run)
    folders.fail(run, "second\n")
    assert (folders.failed(run) / "traceback.txt").read_text() == "second\n"
    assert not (folders.failed(run) / "progress.csv").exists()
    fill(run, claim(folders, run))
    folders.publish(run, folders.partial(run))
    assert not folders.failed(run).parent.exists()


def test_a_failure_never_takes_the_folder_of_a_living_process(folders: Folders, run: Run) -> None:
    mine = claim(folders, run)
    # The parent of this process lives as long as the test does.
    living = of_process(mine, os.getppid())
    mine.rename(living)
    folders.fail(run, "killed\n")
    assert living.exists()
    assert (folders.failed(run) / "traceback.txt").read_text() == "killed\n"


def test_steps_of_a_run_that_is_made(folders: Folders, run: Run) -> None:
    assert folders.steps() == {}
    partial = claim(folders, run)
    assert folders.steps() == {label(run): 0}
    (partial / "heartbeat").write_text("512")
    of_process(partial, os.getppid()).mkdir()
    assert folders.steps() == {label(run): 512}


LOCK = """
import sys
from pathlib import Path
from sb3_ppo_variants.bench.runs.folders import Folders
with Folders(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    input()
"""


def test_the_lock_is_waited_for_and_goes_with_its_process(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    folders.root.mkdir(parents=True)
    with folders.locked():
        pass
    command = [sys.executable, "-c", LOCK, str(folders.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        asked, flock = threading.Event(), fcntl.flock

        def asks(descriptor: Any, operation: int) -> None:
            asked.set()
            flock(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", asks)
        waiter = threading.Thread(target=lambda: folders.locked().__enter__(), daemon=True)
        waiter.start()
        assert asked.wait(PATIENCE)
        assert waiter.is_alive()
        holder.kill()
        waiter.join(timeout=PATIENCE)
        assert not waiter.is_alive()
