"""Runs on dask: a scheduler and workers of this machine, and what happens when a worker is killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.runs.clusters import ClusterError, dask_executor
from tests.bench.conftest import WriteStudy
from tests.bench.faults import RUNS, STUDY, Start, bench, end_it, finished, gone
from tests.bench.gate import Gate
from tests.waiting import wait_for

pytestmark = pytest.mark.processes


def scheduler(start: Start, folder: Path) -> tuple[Path, subprocess.Popen[str]]:
    """Start a scheduler on a free port of this machine and return its scheduler file and its process."""
    file = folder / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--scheduler-file", str(file)]
    process = start(*command, "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0")
    wait_for(file.is_file)
    return file, process


# A program of dask, in an environment that has dask but not this package.
BARE = """
import importlib.util, sys
installed = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "sb3_ppo_variants" else installed(name, package)
from distributed.cli import dask_scheduler, dask_worker
sys.exit({"scheduler": dask_scheduler, "worker": dask_worker}[sys.argv.pop(1)].main())
"""


def workers(start: Start, file: Path, gate: Gate) -> list[subprocess.Popen[str]]:
    """Start two workers of one thread, whose runs wait at the gate."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1"]
    return [start(*command, "--no-nanny", "--no-dashboard", **gate.environment) for _ in range(2)]


@pytest.mark.slow
def test_a_killed_dask_worker_loses_nothing(
    start: Start, gate: Gate, write_study: WriteStudy, tmp_path: Path, undisturbed: bytes
) -> None:
    pytest.importorskip("distributed")
    study = write_study(STUDY)
    file, _ = scheduler(start, tmp_path)
    first, _ = workers(start, file, gate)
    process = start(*bench(study, tmp_path, "--executor", "dask", "--scheduler", str(file)))
    gate.wait_for_runs()
    before = finished(tmp_path)
    first.kill()
    gate.open()
    output, _ = process.communicate()
    # The scheduler gives the lost run to the other worker.
    assert process.returncode == 0, output
    after = finished(tmp_path)
    assert 0 < len(before) < len(after) == RUNS
    assert {path: after[path] for path in before} == before
    assert (tmp_path / "interrupted" / "results.csv").read_bytes() == undisturbed
    assert not (tmp_path / "interrupted" / ".partial").exists()


@pytest.mark.slow
def test_a_killed_scheduler_ends_the_command_and_no_run_has_failed(
    start: Start,
    gate: Gate,
    write_study: WriteStudy,
    tmp_path: Path,
    undisturbed: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("distributed")
    study = write_study(STUDY)
    file, to_kill = scheduler(start, tmp_path)
    alone = workers(start, file, gate)
    process = start(*bench(study, tmp_path, "--executor", "dask", "--scheduler", str(file)))
    gate.wait_for_runs()
    to_kill.kill()
    output, _ = process.communicate()
    assert process.returncode == 1
    assert "The scheduler or its workers are gone." in output
    # dask may log a lost connection with a traceback of its own; the command must not end with one.
    assert "bench/commands/" not in output
    assert not (tmp_path / "interrupted" / "failed").exists()
    # The workers leave with the runs that they have, and begin no other.
    gate.open()
    for worker in alone:
        worker.communicate()
    wait_for(lambda: all(map(gone, gate.pids())))
    end_it(study, tmp_path, undisturbed, capsys)


PARALLEL = """
import multiprocessing
import gymnasium
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import SubprocVecEnv

class Parallel(PPO):
    def learn(self, *args, **kwargs):
        self.set_env(SubprocVecEnv([lambda: gymnasium.make("CartPole-v1")] * 2))
        print(len(multiprocessing.active_children()), "processes")
        return super().learn(*args, **kwargs)
"""


@pytest.mark.slow
def test_runs_of_a_cluster_started_here_may_start_processes(
    start: Start, write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    study = write_study("""
        name: parallel
        total_timesteps: 256
        seeds: 2
        n_envs: 2
        evaluation: {every: 128, episodes: 1, last: 1}
        arguments: {device: cpu, n_steps: 64, n_epochs: 1}
        environments: [CartPole-v1]
        arms: {parallel: {algorithm: parallel_algorithm.Parallel}}
    """)
    (tmp_path / "parallel_algorithm.py").write_text(PARALLEL)
    monkeypatch.chdir(tmp_path)
    process = start(*bench(study, tmp_path / "results", "--executor", "dask", "--cluster", "local"))
    output, _ = process.communicate()
    assert process.returncode == 0, output
    outputs = [path.read_text() for path in (tmp_path / "results" / "parallel" / "parallel").glob("*/output.txt")]
    assert [text.splitlines()[0] for text in outputs] == ["2 processes"] * 2


SBATCH = """#!/bin/sh
# Stands in for Slurm: runs the job script here and says a job number. As Slurm does, it keeps a copy of the script,
# which is gone once this command has ended. The queue is long: the jobs start when the file `free` is there.
folder="$(dirname "$0")"
grep '^#SBATCH' "$1" > "$folder/directives"
cp "$1" "$folder/job-$$.sh"
(until [ -e "$folder/free" ]; do sleep 0.1; done; exec sh "$folder/job-$$.sh") > "$folder/job-$$.log" 2>&1 &
echo "Submitted batch job $!"
"""


@pytest.mark.slow
def test_jobs_of_a_queue_make_the_runs(
    start: Start, write_study: WriteStudy, tmp_path: Path, undisturbed: bytes
) -> None:
    pytest.importorskip("dask_jobqueue")
    for name, text in (("sbatch", SBATCH), ("scancel", "#!/bin/sh\nkill $1\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "dask.yaml").write_text(
        "jobqueue: {slurm: {cores: 1, processes: 1, memory: 2GB, queue: short, interface: lo}}\n"
    )
    command = bench(write_study(STUDY), tmp_path, "--executor", "dask", "--cluster", "slurm")
    process = start(*command, PATH=f"{tmp_path}:{os.environ['PATH']}", DASK_CONFIG=str(tmp_path / "dask.yaml"))
    assert process.stdout is not None
    assert any("slurm: no worker yet." in line for line in process.stdout)
    (tmp_path / "free").touch()
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "#SBATCH -p short" in (tmp_path / "directives").read_text()
    assert (tmp_path / "interrupted" / "results.csv").read_bytes() == undisturbed


def test_a_cluster_that_refuses_is_a_clear_error(
    write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("dask_jobqueue")
    study = write_study(STUDY)
    assert main(["run", str(study), "--results", str(tmp_path), "--executor", "dask", "--cluster", "slurm"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("slurm: You must specify how much cores and memory")


def test_without_dask_it_says_what_to_install(
    write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "distributed" else name)
    study = write_study(STUDY)
    monkeypatch.setattr("sb3_ppo_variants.bench.cli.REQUIRED", ())
    assert main(["run", str(study), "--results", str(tmp_path), "--executor", "dask"]) == 2
    assert capsys.readouterr().err == '--executor dask needs distributed: pip install "sb3-ppo-variants[cluster]"\n'


def test_the_dashboard_of_a_cluster_started_here_is_for_this_machine_alone() -> None:
    pytest.importorskip("distributed")
    with dask_executor(None, "local", 1, print) as executor:
        server = executor._client.cluster.scheduler.http_server  # type: ignore[attr-defined]
        assert [socket.getsockname()[0] for socket in server._sockets.values()] == ["127.0.0.1"]


def test_the_dashboard_of_a_queue_is_too_unless_dask_is_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    dask, dask_jobqueue = pytest.importorskip("dask"), pytest.importorskip("dask_jobqueue")
    asked: list[str] = []

    class Cluster(contextlib.nullcontext[None]):
        def __init__(self, scheduler_options: dict[str, str]) -> None:
            asked.append(scheduler_options["dashboard_address"])
            raise ValueError("no queue here")

    monkeypatch.setattr(dask_jobqueue, "SLURMCluster", Cluster)
    for configured in ({}, {"dashboard_address": ":9999"}):
        options = dask.config.set({"jobqueue.slurm.scheduler-options": configured})
        with options, pytest.raises(ClusterError), dask_executor(None, "slurm", 1, print):
            raise AssertionError
    assert asked == ["127.0.0.1:8787", ":9999"]


def test_a_scheduler_file_that_is_not_there(tmp_path: Path) -> None:
    """distributed waits for it without an end."""
    pytest.importorskip("distributed")
    with pytest.raises(ClusterError, match="missing.json: no such file; dask scheduler --scheduler-file writes it"):
        dask_executor(str(tmp_path / "missing.json"), "local", 1, print).__enter__()


@pytest.mark.slow
@pytest.mark.parametrize("lacking", ["scheduler", "worker"])
def test_a_cluster_without_the_package_is_named_before_the_first_run(
    lacking: str, start: Start, write_study: WriteStudy, tmp_path: Path
) -> None:
    """A scheduler fails every run otherwise, and a worker loses them: neither can read a job."""
    distributed = pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    options = ["--scheduler-file", str(file), "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
    for program in ("scheduler", "worker"):
        how = ["-c", BARE, program] if program == lacking else ["-m", f"distributed.cli.dask_{program}"]
        start(sys.executable, *how, *options, *([] if program == "scheduler" else ["--no-nanny"]))
        wait_for(file.is_file)
    with distributed.Client(scheduler_file=str(file)) as client:
        client.wait_for_workers(1)
    process = start(*bench(write_study(STUDY), tmp_path, "--executor", "dask", "--scheduler", str(file)))
    output, _ = process.communicate()
    assert process.returncode != 0
    assert f"is not installed on {'the scheduler' if lacking == 'scheduler' else 'worker tcp'}" in output
    assert not (tmp_path / "interrupted" / "failed").exists()
