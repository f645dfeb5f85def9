"""Callbacks of a study: when they are called, and how they end a run, also one that was killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from stable_baselines3.common import callbacks as stock
from stable_baselines3.common.callbacks import BaseCallback

from sb3_ppo_variants.bench.runs.callbacks import follows_evaluations, make_callback
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.train import execute
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.table.table import collect
from tests.bench.runs.test_checkpoint import EVERY_ROLLOUT, LONGER, Killed, killed_at, made, taken_over

__all__ = ["killed_at"]
STOCK = "stable_baselines3.common.callbacks"
THRESHOLD = f"{STOCK}.StopTrainingOnRewardThreshold"
NO_IMPROVEMENT = f"{STOCK}.StopTrainingOnNoModelImprovement"
EPISODES = f"{STOCK}.StopTrainingOnMaxEpisodes"
OWN = """
import threading

from stable_baselines3.common.callbacks import BaseCallback, StopTrainingOnRewardThreshold


class Unhurried(StopTrainingOnRewardThreshold):
    pass


class StopsAtCall(BaseCallback):
    def __init__(self, call, locked=False):
        super().__init__()
        self.call, self.policies, self.rollouts = call, [], 0
        self.lock = threading.Lock() if locked else None

    def _on_rollout_start(self):
        self.rollouts += 1
        self.policies.append(self.model.policy)

    def _on_step(self):
        return self.n_calls < self.call

    def _on_training_end(self):
        print("rollouts", self.rollouts, "own policy", all(each is self.model.policy for each in self.policies))
"""


@pytest.fixture(autouse=True)
def own_callbacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_callbacks.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)


def finished(run: Run, folder: Path) -> dict[str, Any]:
    """Make a run, and return its record."""
    folder.mkdir(exist_ok=True)
    execute(run, folder, "")
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return record


@pytest.mark.parametrize(
    ("callback", "timesteps"),
    [
        # Any return is above it at the first evaluation.
        ({THRESHOLD: {"reward_threshold": -1.0}}, 32),
        # From the third evaluation on, the first one without improvement is one too many.
        ({NO_IMPROVEMENT: {"max_no_improvement_evals": 0, "min_evals": 2}}, None),
        ({"own_callbacks.StopsAtCall": {"call": 40}}, 80),
    ],
    ids=["threshold", "no improvement", "own"],
)
def test_a_callback_ends_a_run(callback: dict[str, Any], timesteps: int | None, tmp_path: Path) -> None:
    run = replace(LONGER, callbacks=[callback])
    record = finished(run, tmp_path / "run")
    with np.load(tmp_path / "run" / "evaluations.npz") as stored:
        means, evaluated = stored["results"].mean(axis=1), stored["timesteps"].tolist()
    if timesteps is None:
        best = np.maximum.accumulate(means)
        timesteps = 32 * (next(number for number in range(2, 10) if best[number] == best[number - 1]) + 1)
    assert record["ended"] == {"timesteps": timesteps, "callback": next(iter(callback))}
    assert evaluated == list(range(32, timesteps + 1, 32))
    assert yaml.safe_load((tmp_path / "run/CartPole-v1/config.yml").read_text())["callback"] == [callback]


def test_episodes_of_all_environments_are_counted(tmp_path: Path) -> None:
    record = finished(replace(LONGER, callbacks=[{EPISODES: {"max_episodes": 2}}]), tmp_path / "run")
    lines = [line for path in (tmp_path / "run").glob("*.monitor.csv") for line in path.read_text().splitlines()[2:]]
    # Two environments.
    assert len(lines) == 4
    assert record["ended"]["callback"] == EPISODES
    assert record["ended"]["timesteps"] < 320


def test_a_run_that_no_callback_ends_is_as_one_without(tmp_path: Path) -> None:
    quiet: list[dict[str, Any]] = [
        {THRESHOLD: {"reward_threshold": 1e6}},
        {"own_callbacks.StopsAtCall": {"call": 1000}},
    ]
    assert "ended" not in finished(LONGER, tmp_path / "plain")
    assert "ended" not in finished(replace(LONGER, callbacks=quiet), tmp_path / "quiet")
    plain, watched = made(LONGER, tmp_path / "plain"), made(LONGER, tmp_path / "quiet")
    assert plain == watched
    assert "callback" not in yaml.safe_load((tmp_path / "plain/CartPole-v1/config.yml").read_text())


def test_an_end_before_the_first_evaluation_is_an_error(tmp_path: Path) -> None:
    run = replace(LONGER, callbacks=[{"own_callbacks.StopsAtCall": {"call": 10}}])
    with pytest.raises(RuntimeError, match=r"own_callbacks.StopsAtCall ended the run at 20 steps, before .* at 32"):
        finished(run, tmp_path / "run")


@pytest.mark.parametrize(
    "callbacks",
    [
        [{NO_IMPROVEMENT: {"max_no_improvement_evals": 5}}],
        pytest.param([{"own_callbacks.StopsAtCall": {"call": 130}}], marks=pytest.mark.slow),
        pytest.param([{EPISODES: {"max_episodes": 4}}], marks=pytest.mark.slow),
        [{f"{STOCK}.LogEveryNTimesteps": {"n_steps": 50}}, {THRESHOLD: {"reward_threshold": 1e6}}],
    ],
    ids=["no improvement", "own", "episodes", "children"],
)
def test_callbacks_remember_over_a_kill(
    callbacks: list[dict[str, Any]], tmp_path: Path, killed_at: Callable[[int | None], None]
) -> None:
    run, whole, folder = replace(LONGER, callbacks=callbacks), tmp_path / "whole", tmp_path / "first"
    expected = finished(run, whole)
    folder.mkdir()
    killed_at(140)
    with pytest.raises(Killed):
        execute(run, folder, "", EVERY_ROLLOUT)
    folder = taken_over(folder, "next")
    killed_at(None)
    execute(run, folder, "", EVERY_ROLLOUT)
    record = json.loads((folder / "run.json").read_text())
    assert record["resumed"] == [{"timesteps": 128, "differs": None}]
    assert record.get("ended") == expected.get("ended")
    assert made(run, folder) == made(run, whole)
    assert (folder / "output.txt").read_text() == (whole / "output.txt").read_text()


def test_what_cannot_be_pickled_is_said(tmp_path: Path, killed_at: Callable[[int | None], None]) -> None:
    run = replace(LONGER, callbacks=[{"own_callbacks.StopsAtCall": {"call": 130, "locked": True}}])
    folder = tmp_path / "run"
    folder.mkdir()
    killed_at(140)
    with pytest.raises(Killed):
        execute(run, folder, "", EVERY_ROLLOUT)
    killed_at(None)
    execute(run, folder, "", EVERY_ROLLOUT)
    record = json.loads((folder / "run.json").read_text())
    assert record["resumed"][0]["differs"].startswith("lock of StopsAtCall cannot be pickled: TypeError: ")
    # All else of it came back.
    assert record["ended"] == {"timesteps": 260, "callback": "own_callbacks.StopsAtCall"}


def test_the_last_evaluation_is_carried_forward(tmp_path: Path) -> None:
    run = replace(LONGER, callbacks=[{"own_callbacks.StopsAtCall": {"call": 60}}])
    folders = Folders(tmp_path / "study")
    folders.finished(run).mkdir(parents=True)
    finished(run, folders.finished(run))
    tables = collect([run], folders)
    assert not tables.left_out
    assert tables.results["timesteps"].tolist() == tables.times["timesteps"].tolist() == list(range(32, 321, 32))
    assert tables.results["episodes"].tolist() == [1] * 3 + [0] * 7
    for table, column in ((tables.results, "mean_return"), (tables.results, "std_return"), (tables.times, "seconds")):
        assert table[column].tolist()[2:] == [table[column][2]] * 8
    (timing,) = tables.timings.to_dict("records")
    assert timing["steps_per_second"] == round(120 / timing["seconds"], 1)
    # The record alone says that a run so short is whole.
    record = json.loads((folders.finished(run) / "run.json").read_text())
    del record["ended"]
    (folders.finished(run) / "run.json").write_text(json.dumps(record))
    (item,) = collect([run], folders).left_out
    assert item.reason == "evaluations.npz ends at 96 of 320 steps"


def test_the_class_says_when_a_callback_is_called() -> None:
    classes = [each for each in vars(stock).values() if isinstance(each, type) and issubclass(each, BaseCallback)]
    assert {each.__name__ for each in classes if follows_evaluations(each)} == {
        "StopTrainingOnRewardThreshold", "StopTrainingOnNoModelImprovement",
    }  # fmt: skip
    assert follows_evaluations(type(make_callback("own_callbacks.Unhurried", {"reward_threshold": 1.0})))

    class Quoted(stock.StopTrainingOnMaxEpisodes):
        parent: stock.EvalCallback

    assert Quoted.__annotations__ == {"parent": "stock.EvalCallback"}
    assert follows_evaluations(Quoted)
