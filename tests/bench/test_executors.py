from __future__ import annotations

import textwrap
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sb3_ppo_variants.bench.executors import local, outcomes
from sb3_ppo_variants.bench.folders import Folders
from sb3_ppo_variants.bench.run import Run
from sb3_ppo_variants.bench.study import Study
from sb3_ppo_variants.bench.worker import Outcome, Task

BAD_ALGORITHMS = """
    import os, signal
    from stable_baselines3 import PPO

    class Raising(PPO):
        def learn(self, *args, **kwargs):
            print("on the way")
            raise RuntimeError("out of luck")

    class Killed(PPO):
        def learn(self, *args, **kwargs):
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Three arms, one of which raises and one of which kills its process."""
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
            "arms": {
                "raising": {"algorithm": "bad_algorithms.Raising"},
                "killed": {"algorithm": "bad_algorithms.Killed"},
            },
        }
    )


def tasks(runs: Sequence[Run], folders: Folders) -> list[Task]:
    return [Task(run, folders, "command") for run in runs]


def ended(found: Sequence[Outcome]) -> dict[tuple[str, int], bool]:
    return {(outcome.run.arm, outcome.run.seed): outcome.error is None for outcome in found}


def test_a_run_that_raises_leaves_its_traceback_and_the_others_go_on(study: Study, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results")
    runs = [run for run in study.runs() if run.arm != "killed"]
    with ThreadPoolExecutor(1) as executor:
        found = list(outcomes(lambda: executor, tasks(runs, folders), at_once=1))
    assert ended(found) == {("ppo", 0): True, ("raising", 0): False, ("ppo", 1): True, ("raising", 1): False}
    failed = folders.failed(study.run("raising", "CartPole-v1", 1))
    assert (failed / "traceback.txt").read_text().endswith("RuntimeError: out of luck\n")
    assert (failed / "output.txt").read_text() == "on the way\n"
    assert folders.finished(study.run("ppo", "CartPole-v1", 1)).is_dir()
    assert not folders.partials(runs[0])


def test_a_killed_worker_does_not_lose_the_study(study: Study, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results")
    order = [
        study.run(arm, "CartPole-v1", seed) for arm, seed in [("killed", 0), ("ppo", 0), ("killed", 1), ("ppo", 1)]
    ]
    found = list(outcomes(partial(local, 1), tasks(order, folders), at_once=1))
    assert ended(found) == {("killed", 0): False, ("ppo", 0): True, ("killed", 1): False, ("ppo", 1): True}
    text = (folders.failed(order[0]) / "traceback.txt").read_text()
    assert text.startswith("A worker process ended abruptly")
    # What the killed run had written so far was kept beside the reason.
    assert (folders.failed(order[0]) / "0.monitor.csv").exists()
    assert not folders.partials(order[0])


def test_no_more_runs_are_handed_over_than_there_are_workers(study: Study, tmp_path: Path) -> None:
    class Counting(ThreadPoolExecutor):
        submitted = 0

        def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
            self.submitted += 1
            return super().submit(*args, **kwargs)

    runs = [study.run("raising", "CartPole-v1", seed) for seed in range(5)]
    executor = Counting(1)
    handed = [executor.submitted for _ in outcomes(lambda: executor, tasks(runs, Folders(tmp_path)), at_once=2)]
    assert handed[0] == 2
    assert handed[-1] == 5
    assert all(submitted - ended < 2 for ended, submitted in enumerate(handed, start=1))
