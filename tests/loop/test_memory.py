"""The peak memory of an update, against that of SB3's PPO."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def peak(name: str) -> int:
    """In bytes, of a process of its own."""
    command = [sys.executable, "-m", "tests.loop.memory", name]
    return int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak")
def test_an_update_needs_no_more_memory_than_in_sb3() -> None:
    """DLR-RM/stable-baselines3 #834: a rollout of images fits, but not twice."""
    stock = peak("PPO")
    assert peak("VariantPPO") <= 1.1 * stock
    assert peak("KLPenaltyPPO") <= 1.1 * stock
