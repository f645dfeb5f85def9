"""The promise of the harness: whatever interrupts a study, the same command ends it with the same results."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.conftest import WriteStudy
from tests.bench.faults import RUNS, STUDY, Start, bench, end_it, finished, gone
from tests.bench.gate import Gate
from tests.waiting import wait_for

pytestmark = pytest.mark.processes


def test_sigkill_of_the_runner(
    start: Start,
    gate: Gate,
    write_study: WriteStudy,
    tmp_path: Path,
    undisturbed: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = write_study(STUDY)
    process = start(*bench(study, tmp_path), **gate.environment)
    gate.wait_for_runs()
    process.kill()
    process.wait()
    # The runs notice and end by themselves.
    wait_for(lambda: all(map(gone, gate.pids())))
    assert len(finished(tmp_path)) == 2
    end_it(study, tmp_path, undisturbed, capsys)


@pytest.mark.slow
def test_sigkill_of_a_run(
    start: Start,
    gate: Gate,
    write_study: WriteStudy,
    tmp_path: Path,
    undisturbed: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = write_study(STUDY)
    process = start(*bench(study, tmp_path), **gate.environment)
    gate.wait_for_runs()
    os.kill(gate.pids()[0], signal.SIGKILL)
    gate.open()
    output, _ = process.communicate()
    assert process.returncode == 1
    assert f"1 of {RUNS} runs failed" in output
    assert len(finished(tmp_path)) == RUNS - 1
    end_it(study, tmp_path, undisturbed, capsys)
    assert not (tmp_path / "interrupted" / "failed").exists()


@pytest.mark.slow
def test_two_runners_on_one_folder_share_the_runs(
    start: Start, write_study: WriteStudy, tmp_path: Path, undisturbed: bytes
) -> None:
    study = write_study(STUDY)
    runners = [start(*bench(study, tmp_path)) for _ in range(2)]
    outputs = [runner.communicate()[0] for runner in runners]
    assert [runner.returncode for runner in runners] == [0, 0]
    lines = "".join(outputs).splitlines()
    # Each run was made once, by one of the two.
    assert len({path.parent for path in finished(tmp_path)}) == RUNS
    assert sum(": finished (" in line for line in lines) == RUNS
    assert (tmp_path / "interrupted" / "results.csv").read_bytes() == undisturbed
    assert not (tmp_path / "interrupted" / ".partial").exists()


def test_ctrl_c(start: Start, gate: Gate, write_study: WriteStudy, tmp_path: Path) -> None:
    process = start(*bench(write_study(STUDY), tmp_path), **gate.environment)
    gate.wait_for_runs()
    before = finished(tmp_path)
    # The gate stays closed: nobody waits for the runs after Ctrl-C.
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130
    assert "Finished runs are kept" in output
    assert "Traceback" not in output
    wait_for(lambda: all(map(gone, gate.pids())))
    assert len(before) == 2
    assert finished(tmp_path) == before
    assert not (tmp_path / "interrupted" / ".partial").exists()
    assert not (tmp_path / "interrupted" / "failed").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, which four finished runs fill; only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk(
    start: Start, write_study: WriteStudy, small_disk: Path, undisturbed: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(STUDY)
    process = start(*bench(study, small_disk))
    output, _ = process.communicate()
    assert process.returncode == 1
    assert "No space left on device" in output
    assert "Traceback" not in output
    assert finished(small_disk)
    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    end_it(study, small_disk, undisturbed, capsys)
