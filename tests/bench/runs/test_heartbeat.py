from __future__ import annotations

import os
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.runs import heartbeat
from sb3_ppo_variants.bench.runs.heartbeat import FILE_NAME, Heartbeat, has_recent_heartbeat, steps
from tests.waiting import wait_for


def test_the_file_is_there_while_the_run_is_made(tmp_path: Path) -> None:
    assert steps(tmp_path) == 0
    with Heartbeat(tmp_path):
        assert (tmp_path / FILE_NAME).read_text() == "0"
    assert not (tmp_path / FILE_NAME).exists()


def test_it_tells_the_steps_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    with Heartbeat(tmp_path) as callback:
        callback.num_timesteps = 512
        wait_for(lambda: steps(tmp_path) == 512)


def test_what_is_no_number_is_no_step(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("")
    assert steps(tmp_path) == 0


def test_a_heartbeat_is_recent_for_five_minutes(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("0")
    os.utime(tmp_path, (1000.0, 1000.0))
    os.utime(tmp_path / FILE_NAME, (2000.0, 2000.0))
    assert has_recent_heartbeat(tmp_path, 2299.0)
    assert not has_recent_heartbeat(tmp_path, 2300.0)
    # The clock has been set back.
    assert has_recent_heartbeat(tmp_path, 1701.0)
    assert not has_recent_heartbeat(tmp_path, 1700.0)
    assert not has_recent_heartbeat(tmp_path / "gone", 2000.0)
