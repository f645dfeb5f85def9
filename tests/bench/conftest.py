from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.worker import Job, run_in_process
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.validation import load_study
from tests.bench.faults import STUDY, Start
from tests.bench.gate import Gate
from tests.waiting import PATIENCE

TINY = """
    name: tiny
    total_timesteps: 256
    seeds: 2
    evaluation: {every: 64, episodes: 2, last: 2}
    arguments: {device: cpu, n_steps: 64, n_epochs: 2, learning_rate: 1e-3}
    environments:
      CartPole-v1: {n_envs: 2, random_score: 20.0, reference_score: 500.0}
      Pendulum-v1: {normalize: true}
    arms:
      narrow: {algorithm: stable_baselines3.PPO, arguments: {clip_range: lin_0.1}}
"""

ROOT = Path(__file__).parents[2]
WriteStudy = Callable[[str], Path]


@dataclass(frozen=True)
class Finished:
    path: Path
    study: Study
    folders: Folders


@pytest.fixture
def write_study(tmp_path: Path) -> WriteStudy:
    def write(text: str) -> Path:
        path = tmp_path / "study.yaml"
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A study whose runs have all been made, one after the other."""
    folder = tmp_path_factory.mktemp("finished")
    path = folder / "tiny.yaml"
    path.write_text(textwrap.dedent(TINY))
    study = load_study(path)
    folders = Folders(folder / "results" / study.name)
    folders.root.mkdir(parents=True)
    for run in study.runs:
        assert run_in_process(Job(run, folders, "ppo-bench run tiny.yaml")).error is None
    return Finished(path, study, folders)


@pytest.fixture
def half(finished: Finished, tmp_path: Path) -> Path:
    """The results of the finished study without two runs; each of the others is said to have taken 90 seconds."""
    shutil.copytree(finished.folders.root, tmp_path / "tiny")
    for path in tmp_path.rglob("run.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "wall_seconds": 90.0}))
    folders = Folders(tmp_path / "tiny")
    shutil.rmtree(folders.finished(finished.study.run("ppo", "CartPole-v1", 1)))
    shutil.rmtree(folders.finished(finished.study.run("narrow", "CartPole-v1", 0)))
    return tmp_path


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command in a session of its own, as a terminal does; nothing of it outlives the test, nor a hang."""
    with contextlib.ExitStack() as stack:

        def run(*command: str, **environment: str) -> subprocess.Popen[str]:
            with _interruptible():
                process = subprocess.Popen(
                    command,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    start_new_session=True,
                    env=os.environ
                    | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
                    | environment,
                )
            hang = threading.Timer(PATIENCE, _kill_session, [process])
            hang.start()
            stack.push(process)
            stack.callback(_kill_session, process)
            stack.callback(hang.cancel)
            return process

        yield run


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end what is started within the block, where the tests themselves ignore it, as jobs of a shell do."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _kill_session(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    folder = tmp_path / "gate"
    folder.mkdir()
    return Gate(folder)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The results.csv of the study of the faults, which nobody disturbed, made by one worker."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = folder / "study.yaml"
    study.write_text(textwrap.dedent(STUDY))
    assert main(["run", str(study), "--results", str(folder), "--workers", "1"]) == 0
    return (folder / "interrupted" / "results.csv").read_bytes()
