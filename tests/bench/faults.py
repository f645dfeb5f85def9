"""What the tests of faults share: a small study, ways to watch and disturb it, and what must be true in the end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.cli import main

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
# Starts a command in a session of its own, as a terminal does; nothing of it outlives the test.
Start = Callable[..., subprocess.Popen[str]]


def bench(study: Path, results: Path, *options: str) -> list[str]:
    """Command line of a run with two workers, or as the options say."""
    command = [sys.executable, "-m", "sb3_ppo_variants.bench", "run", str(study), "--results", str(results)]
    return [*command, "--workers", "2", *options]


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


def run_pids(results: Path) -> list[int]:
    """Processes that are making a run."""
    return [int(path.name.rpartition("-")[2]) for path in (results / "interrupted" / ".partial").iterdir()]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A child that nobody has waited for yet has ended too.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def end_it(study: Path, results: Path, undisturbed: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the study again: only what was missing is made, and the results are those of the undisturbed study."""
    before = finished(results)
    assert len(before) < RUNS
    assert main(["run", str(study), "--results", str(results), "--workers", "2"]) == 0
    output = capsys.readouterr().out
    assert f"{RUNS} runs, {len(before)} finished before" in output
    assert f"[{RUNS - len(before)}/{RUNS - len(before)}]" in output
    after = finished(results)
    assert len(after) == RUNS
    assert {path: after[path] for path in before} == before
    assert (results / "interrupted" / "results.csv").read_bytes() == undisturbed
    assert not (results / "interrupted" / ".partial").exists()
