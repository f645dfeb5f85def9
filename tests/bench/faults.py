"""What the tests of faults share: a small study, ways to watch and disturb it, and what must be true in the end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.cli import main

STUDY = """
    name: interrupted
    total_timesteps: 256
    seeds: 2
    evaluation: {every: 128, episodes: 1, last: 2}
    arguments: {device: cpu, n_steps: 64, n_epochs: 1}
    environments: {CartPole-v1: {n_envs: 2}, Pendulum-v1: {normalize: true}}
    arms:
      narrow: {algorithm: tests.bench.gate.WaitingPPO, arguments: {clip_range: 0.05}}
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


def gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have waited for it yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


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
