"""The promise of the harness: whatever interrupts a study, the same command ends it with the same results."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.cli import main
from tests.bench.conftest import WriteStudy

STUDY = """
    name: interrupted
    total_timesteps: 1024
    seeds: 2
    evaluation: {every: 256, episodes: 2, last: 2}
    arguments: {device: cpu, n_steps: 64, n_epochs: 4}
    environments: {CartPole-v1: {n_envs: 2}, Pendulum-v1: {normalize: true}}
    arms:
      narrow: {algorithm: stable_baselines3.PPO, arguments: {clip_range: 0.05}}
"""
RUNS = 8


Start = Callable[[Path, Path], subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start ``ppo-bench run`` in a session of its own, as a terminal does; nothing of it outlives the test."""
    processes = []

    def run(study: Path, results: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sb3_ppo_variants.bench", "run", str(study)]
        command += ["--results", str(results), "--workers", "2"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finished(results: Path) -> dict[Path, int]:
    folders = [results / "interrupted" / arm for arm in ("ppo", "narrow")]
    return {path: path.stat().st_mtime_ns for folder in folders for path in folder.glob("*/run.json")}


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def in_the_middle(results: Path) -> bool:
    """Whether something is finished and something is being made."""
    return len(finished(results)) >= 2 and any((results / "interrupted" / ".partial").glob("*/progress.csv"))


def worker_pids(results: Path) -> list[int]:
    return [int(path.name.rpartition("-")[2]) for path in (results / "interrupted" / ".partial").iterdir()]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A child that nobody has waited for yet has ended too.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The results.csv of a study that nobody disturbed, made by one worker."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = folder / "study.yaml"
    study.write_text("\n".join(line.removeprefix("    ") for line in STUDY.splitlines()))
    assert main(["run", str(study), "--results", str(folder), "--workers", "1"]) == 0
    return (folder / "interrupted" / "results.csv").read_bytes()


def end_it(study: Path, results: Path, undisturbed: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the study again and check that only what was missing is made, with the same results."""
    before = finished(results)
    assert 2 <= len(before) < RUNS
    assert main(["run", str(study), "--results", str(results), "--workers", "2"]) == 0
    output = capsys.readouterr().out
    assert f"{RUNS} runs, {len(before)} finished before" in output
    assert f"[{RUNS - len(before)}/{RUNS - len(before)}]" in output
    after = finished(results)
    assert len(after) == RUNS
    assert {path: after[path] for path in before} == before
    assert (results / "interrupted" / "results.csv").read_bytes() == undisturbed
    assert not (results / "interrupted" / ".partial").exists()


def test_sigkill_of_the_runner(
    start: Start, write_study: WriteStudy, tmp_path: Path, undisturbed: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(STUDY)
    process = start(study, tmp_path)
    wait_for(lambda: in_the_middle(tmp_path))
    workers = worker_pids(tmp_path)
    process.kill()
    process.wait()
    # The workers notice and end by themselves.
    wait_for(lambda: all(gone(pid) for pid in workers), seconds=10)
    end_it(study, tmp_path, undisturbed, capsys)


def test_ctrl_c(start: Start, write_study: WriteStudy, tmp_path: Path) -> None:
    # Runs of minutes: nobody waits for them after Ctrl-C.
    study = write_study(STUDY.replace("total_timesteps: 1024", "total_timesteps: 1_000_000"))
    process = start(study, tmp_path)
    wait_for(lambda: len(list((tmp_path / "interrupted" / ".partial").glob("*/progress.csv"))) == 2)
    workers = worker_pids(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Finished runs are kept" in output
    assert "Traceback" not in output
    assert all(gone(pid) for pid in workers)
    assert not (tmp_path / "interrupted" / ".partial").exists()
    assert not (tmp_path / "interrupted" / "failed").exists()
