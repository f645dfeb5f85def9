from __future__ import annotations

import multiprocessing
import socket
import subprocess
import sys
import textwrap
from collections.abc import Generator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sb3_ppo_variants.bench.runs import executors
from sb3_ppo_variants.bench.runs.executors import ExecutorLost, local, outcomes
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.provenance import versions
from sb3_ppo_variants.bench.runs.worker import Job, Outcome, run_in_process
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from tests.bench.faults import gone
from tests.bench.run_folders import fill
from tests.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.processes

BAD_ALGORITHMS = """
    import os, resource, signal, subprocess, sys, time
    from stable_baselines3 import PPO

    class Raising(PPO):
        def learn(self, *args, **kwargs):
            print("on the way")
            raise RuntimeError("out of luck")

    class Killed(PPO):
        def learn(self, *args, **kwargs):
            os.kill(os.getpid(), signal.SIGKILL)

    class Gone(PPO):
        def learn(self, *args, **kwargs):
            os._exit(3)

    class Exiting(PPO):
        def learn(self, *args, **kwargs):
            sys.exit("no more")

    class Hanging(PPO):
        def learn(self, *args, **kwargs):
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            print(child.pid)
            time.sleep(600)

    class TooLarge(PPO):
        def learn(self, *args, **kwargs):
            # Writes beyond this size fail, as they do on a full disk; Python ignores the signal.
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
            return super().learn(*args, **kwargs)
"""
NAMES = ("raising", "killed", "gone", "exiting", "hanging", "too_large")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Stock PPO and arms that end badly, each in its own way."""
    (tmp_path / "bad_algorithms.py").write_text(textwrap.dedent(BAD_ALGORITHMS))
    monkeypatch.syspath_prepend(tmp_path)
    return Study.model_validate(
        {
            "name": "bad",
            "total_timesteps": 128,
            "seeds": 2,
            "evaluation": {"every": 64, "episodes": 1, "last": 1},
            "arguments": {"device": "cpu", "n_steps": 64, "n_epochs": 1},
            "environments": ["CartPole-v1"],
            "arms": {name: {"algorithm": f"bad_algorithms.{name.title().replace('_', '')}"} for name in NAMES},
        }
    )


def made(
    study: Study, folders: Folders, order: Sequence[tuple[str, int]], workers: int = 1
) -> dict[tuple[str, int], Outcome]:
    """Run arms with seeds, in that order, and return how each ended."""
    tasks = [Job(study.run(arm, "CartPole-v1", seed), folders, "command") for arm, seed in order]
    with local(workers) as executor:
        return {(outcome.run.arm, outcome.run.seed): outcome for outcome in outcomes(executor, tasks)}


def reason(study: Study, folders: Folders, arm: str) -> str:
    return (folders.failed(study.run(arm, "CartPole-v1", 0)) / "traceback.txt").read_text()


def test_a_run_that_raises_leaves_its_traceback_and_the_others_go_on(study: Study, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results")
    found = made(study, folders, [("raising", 0), ("ppo", 0), ("exiting", 0), ("ppo", 1)])
    assert [key for key, outcome in found.items() if outcome.error is None] == [("ppo", 0), ("ppo", 1)]
    assert reason(study, folders, "raising").endswith("RuntimeError: out of luck\n")
    assert (folders.failed(study.run("raising", "CartPole-v1", 0)) / "output.txt").read_text() == "on the way\n"
    assert reason(study, folders, "exiting").endswith("SystemExit: no more\n")
    assert folders.finished(study.run("ppo", "CartPole-v1", 1)).is_dir()
    folders.clean()
    assert not (folders.root / ".partial").exists()


def test_a_killed_process_is_one_failed_run_and_no_other(study: Study, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results")
    found = made(study, folders, [("killed", 0), ("ppo", 0), ("killed", 1), ("ppo", 1)], workers=2)
    assert {key for key, outcome in found.items() if outcome.error is None} == {("ppo", 0), ("ppo", 1)}
    assert reason(study, folders, "killed") == "The process of the run was killed, or ran out of memory.\n"
    # What the killed run had written so far was kept beside the reason.
    assert (folders.failed(study.run("killed", "CartPole-v1", 0)) / "0.monitor.csv").exists()
    assert not folders.partials(study.run("killed", "CartPole-v1", 0))


def test_a_process_that_exits_by_itself_says_its_code(study: Study, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results")
    made(study, folders, [("gone", 0)])
    assert reason(study, folders, "gone") == "The process of the run ended with exit code 3.\n"


def test_a_run_that_hangs_is_ended_with_its_children_and_says_where_it_was(study: Study, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results")
    hanging, other = study.run("hanging", "CartPole-v1", 0), study.run("ppo", "CartPole-v1", 0)
    output = folders.failed(hanging) / "output.txt"
    # On a loaded machine a run takes longer until it hangs.
    for limit in (6.0, 60.0, PATIENCE):
        with local(1) as executor:
            tasks = [Job(hanging, folders, "", limit), Job(other, folders, "")]
            ended = {outcome.run.arm: outcome.error is None for outcome in outcomes(executor, tasks)}
        if output.is_file() and "in learn" in output.read_text():
            break
    assert ended == {"hanging": False, "ppo": True}
    assert folders.reason(hanging) == f"The run was ended at its time limit of {limit / 60:g} minutes."
    child, *trace = output.read_text().splitlines()
    assert any("bad_algorithms.py" in line and "in learn" in line for line in trace)
    wait_for(lambda: gone(int(child)))


def test_a_file_that_cannot_grow_is_a_failed_run(study: Study, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results")
    found = made(study, folders, [("too_large", 0), ("ppo", 0)])
    assert {key: outcome.error is None for key, outcome in found.items()} == {("too_large", 0): False, ("ppo", 0): True}
    assert "File too large" in reason(study, folders, "too_large")


def test_a_run_that_another_process_makes_is_waited_for(study: Study, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results")
    run = study.run("ppo", "CartPole-v1", 0)
    claim = folders.claim(run)
    assert claim is not None
    with local(1) as executor:
        found = outcomes(executor, [Job(run, folders, ""), Job(study.run("ppo", "CartPole-v1", 1), folders, "")])
        # This process has the first run, so that the second one ends first.
        other = next(found)
        assert (other.run.seed, other.error, other.elsewhere) == (1, None, False)
        fill(run, claim)
        folders.publish(run, claim)
        assert next(found) == Outcome(run, elsewhere=True)
        assert next(found, None) is None


def test_a_run_that_fails_in_another_process_is_not_made_again(study: Study, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results")
    run = study.run("ppo", "CartPole-v1", 0)
    folders.fail(run, "an earlier failure\n")
    claim = folders.claim(run)
    assert claim is not None
    with local(1) as executor:
        found = outcomes(executor, [Job(run, folders, ""), Job(study.run("ppo", "CartPole-v1", 1), folders, "")])
        assert next(found).run.seed == 1
        folders.fail(run, "out of luck\n", claim)
        assert next(found) == Outcome(run, error="out of luck")
        assert next(found, None) is None


def test_a_run_whose_maker_dies_is_made_here(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = Folders(tmp_path / "results")
    run = study.run("ppo", "CartPole-v1", 0)
    seen: list[bool] = []

    def claimed(self: Folders, run: Run) -> bool:
        seen.append(look(self, run))
        maker.kill()
        return seen[-1]

    look = Folders.claimed
    monkeypatch.setattr(Folders, "claimed", claimed)
    with local(1) as executor, subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as maker:
        folders.partial(run, maker.pid).mkdir(parents=True)
        (outcome,) = outcomes(executor, [Job(run, folders, "")])
    assert seen[0]
    assert not seen[-1]
    assert (outcome.error, outcome.elsewhere) == (None, False)
    assert folders.finished(run).is_dir()


@pytest.mark.parametrize("error", [BrokenExecutor("the workers are gone"), CancelledError()])
def test_an_executor_that_is_lost_is_no_failure_of_the_runs(study: Study, tmp_path: Path, error: Exception) -> None:
    class Lost(Executor):
        def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(error)
            return future

    folders = Folders(tmp_path / "results")
    tasks = [Job(study.run("ppo", "CartPole-v1", seed), folders, "") for seed in range(2)]
    with pytest.raises(ExecutorLost, match="Finished runs are kept"):
        list(outcomes(Lost(), tasks))
    assert not list(folders.root.iterdir())


def test_an_executor_has_no_more_than_so_many_runs_at_once(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler with all of 100,000 runs has no memory left."""
    handed: list[Future[Any]] = []
    most = []

    class Slow(Executor):
        """Ends the oldest run when it is handed another one, and every run when nothing else can happen."""

        def submit(self, function: Any, job: Job) -> Future[Any]:  # type: ignore[override]
            handed.append(Future())
            most.append(sum(not future.done() for future in handed))
            if len(most) >= 3:
                _end(len(most) - 3)
            return handed[-1]

    def _end(position: int) -> None:
        handed[position].set_result(Outcome(jobs[position].run))

    jobs = [Job(study.run("ppo", "CartPole-v1", seed), Folders(tmp_path), "") for seed in range(7)]
    monkeypatch.setattr(executors, "AHEAD", 3)
    found = []
    for outcome in outcomes(Slow(), jobs):
        found.append(outcome.run.seed)
        if len(handed) == 7 and not handed[-1].done():
            _end(5)
            _end(6)
    assert found == list(range(7))
    assert max(most) == 3


def test_runs_go_to_an_executor_of_processes(study: Study, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results")
    tasks = [Job(study.run(arm, "CartPole-v1", 0), folders, "") for arm in ("ppo", "killed")]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        ended = {outcome.run.arm: outcome.error is None for outcome in outcomes(executor, tasks)}
    assert ended == {"ppo": True, "killed": False}
    assert folders.finished(study.run("ppo", "CartPole-v1", 0)).is_dir()


def test_a_worker_that_cannot_make_a_run_is_a_failure_of_the_run(study: Study, tmp_path: Path) -> None:
    class Without(Executor):
        def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(ModuleNotFoundError("No module named 'sb3_ppo_variants'"))
            return future

    folders = Folders(tmp_path / "results")
    tasks = [Job(study.run("ppo", "CartPole-v1", 0), folders, "")]
    assert [outcome.error is None for outcome in outcomes(Without(), tasks)] == [False]
    assert reason(study, folders, "ppo").endswith("No module named 'sb3_ppo_variants'\n")


def test_a_worker_without_the_folder_of_the_results_trains_nothing(study: Study, tmp_path: Path) -> None:
    run, folders = study.run("ppo", "CartPole-v1", 0), Folders(tmp_path / "results")
    error = run_in_process(Job(run, folders, "")).error
    assert error == f"{socket.gethostname()} has no folder {folders.root}: workers share the folder of the results.\n"
    assert not folders.root.exists()


def test_a_worker_with_other_versions_trains_nothing(study: Study, tmp_path: Path) -> None:
    run, folders = study.run("ppo", "CartPole-v1", 0), Folders(tmp_path)
    here = versions()
    error = run_in_process(Job(run, folders, "", versions={**here, "torch": "1.0"})).error
    assert error == (
        f"{socket.gethostname()} has other versions than the study's other runs: torch: 1.0, {here['torch']}. Install "
        "the same there, or say --allow-mixed-versions.\n"
    )
    assert not (folders.root / ".partial").exists()


def test_a_run_that_is_not_in_the_folder_here_has_failed(study: Study, tmp_path: Path) -> None:
    """A worker had a folder of the same name on its own disk."""

    class Elsewhere(Executor):
        def submit(self, function: Any, job: Job) -> Future[Any]:  # type: ignore[override]
            future: Future[Any] = Future()
            future.set_result(Outcome(job.run))
            return future

    folders = Folders(tmp_path / "results")
    (outcome,) = outcomes(Elsewhere(), [Job(study.run("ppo", "CartPole-v1", 0), folders, "")])
    assert outcome.error == reason(study, folders, "ppo")
    assert outcome.error == (
        f"A worker has finished the run, but it is not in {folders.root}: workers share the folder of the results.\n"
    )


def test_closing_the_outcomes_ends_what_runs(study: Study, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results")
    tasks = [Job(study.run(arm, "CartPole-v1", 0), folders, "") for arm in ("ppo", "hanging", "killed")]
    with local(1) as executor:
        found = outcomes(executor, tasks)
        assert isinstance(found, Generator)
        assert next(found).run.arm == "ppo"
        found.close()
    assert not (folders.root / "failed").exists()


def test_a_daemonic_worker_says_what_to_set(study: Study, tmp_path: Path) -> None:
    task = Job(study.run("ppo", "CartPole-v1", 0), Folders(tmp_path), "")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        error = pool.apply(run_in_process, (task,)).error
    assert error is not None
    assert "DASK_DISTRIBUTED__WORKER__DAEMON=False" in error
