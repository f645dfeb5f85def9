"""Runs that log to TensorBoard and Weights & Biases too."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from sb3_ppo_variants.bench.runs.tracking import Tracking
from sb3_ppo_variants.bench.runs.train import execute
from tests.bench.runs.test_checkpoint import EVERY_ROLLOUT, LONGER, RUNS, Killed, killed_at, made

__all__ = ["killed_at"]
TENSORBOARD = Tracking(("tensorboard",))


class FakeRun:
    """A run of W&B that keeps what it is told."""

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments
        self.logged: list[dict[str, Any]] = []
        self.metrics: list[tuple[str, str]] = []
        self.finished = False
        random.random()

    def define_metric(self, name: str, step_metric: str) -> None:
        self.metrics.append((name, step_metric))

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> list[FakeRun]:
    """The runs that are begun."""
    runs: list[FakeRun] = []

    def init(**arguments: Any) -> FakeRun:
        runs.append(FakeRun(**arguments))
        return runs[-1]

    module = ModuleType("wandb")
    vars(module)["init"] = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return runs


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_tensorboard_reads_what_is_in_the_log(tmp_path: Path) -> None:
    whole, tracked = tmp_path / "whole", tmp_path / "tracked"
    for folder, tracking in ((whole, Tracking()), (tracked, TENSORBOARD)):
        folder.mkdir()
        execute(RUNS["variant"], folder, "", None, tracking)
    assert made(RUNS["variant"], tracked) == made(RUNS["variant"], whole)
    assert not (whole / "tensorboard").exists()
    progress = pd.read_csv(tracked / "progress.csv").set_index("time/total_timesteps")["train/kl"].dropna()
    found = scalars(tracked, "train/kl")
    assert [step for step, _ in found] == progress.index.tolist() == [*list(range(64, 321, 32)), 320]
    assert [value for _, value in found] == pytest.approx(progress.tolist())


def test_no_step_is_there_twice_after_a_kill(tmp_path: Path, killed_at: Callable[[int | None], None]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    killed_at(200)
    with pytest.raises(Killed):
        execute(LONGER, first, "", EVERY_ROLLOUT, TENSORBOARD)
    shutil.move(first / "checkpoint.zip", second)
    killed_at(None)
    execute(LONGER, second, "", EVERY_ROLLOUT, TENSORBOARD)
    assert len(list((second / "tensorboard").iterdir())) == 2
    assert [step for step, _ in scalars(second, "eval/mean_reward")] == list(range(32, 321, 32))


def test_weights_and_biases_get_the_numbers(tmp_path: Path, wandb: list[FakeRun]) -> None:
    whole, tracked, root = tmp_path / "whole", tmp_path / "tracked", tmp_path / "results"
    run = replace(LONGER, normalize=None)
    whole.mkdir()
    execute(run, whole, "")
    assert wandb == []
    for _ in range(2):
        tracked.mkdir()
        execute(run, tracked, "", None, Tracking(("wandb",), "mine", root))
        assert made(run, tracked) == made(run, whole)
        shutil.rmtree(tracked)
    first, again = wandb
    shown = {name: first.arguments[name] for name in ("project", "group", "name", "dir", "resume")}
    assert shown == {
        "project": "mine",
        "group": "mine",
        "name": "mine CartPole-v1 3",
        "dir": str(root),
        "resume": "allow",
    }
    assert first.arguments["config"]["identity"] == run.identity
    assert first.arguments["config"]["arguments"]["n_steps"] == 16
    assert first.arguments["id"] == again.arguments["id"]
    assert first.metrics == [("*", "global_step")]
    assert first.finished
    losses = [values["global_step"] for values in first.logged if "train/value_loss" in values]
    assert losses == [*list(range(64, 321, 32)), 320]


def test_a_run_that_fails_ends_its_run_of_weights_and_biases(tmp_path: Path, wandb: list[FakeRun]) -> None:
    with pytest.raises(TypeError, match="n_stepz"):
        execute(replace(LONGER, arguments={"n_stepz": 3}), tmp_path, "", None, Tracking(("wandb",), "mine", tmp_path))
    assert wandb[0].finished


def test_a_run_fails_where_weights_and_biases_cannot_start(
    tmp_path: Path, wandb: list[FakeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(**arguments: Any) -> None:
        raise ConnectionError("no key")

    monkeypatch.setattr(sys.modules["wandb"], "init", refuses)
    with pytest.raises(ConnectionError, match="no key"):
        execute(LONGER, tmp_path, "", None, Tracking(("wandb",), "mine", tmp_path))
    assert not (tmp_path / "run.json").exists()


def test_arms_of_one_configuration_are_two_runs(wandb: list[FakeRun]) -> None:
    for arm in ("a", "b"):
        with Tracking(("wandb",), "mine").opened(replace(LONGER, arm=arm)):
            pass
    assert wandb[0].arguments["config"]["identity"] == wandb[1].arguments["config"]["identity"]
    assert wandb[0].arguments["id"] != wandb[1].arguments["id"]


def test_what_weights_and_biases_raises_later_fails_no_run(
    tmp_path: Path, wandb: list[FakeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*arguments: object, **keywords: object) -> None:
        raise ConnectionError("cannot be reached")

    monkeypatch.setattr(FakeRun, "finish", raises)
    monkeypatch.setattr(FakeRun, "log", raises)
    execute(LONGER, tmp_path, "", None, Tracking(("wandb",), "mine", tmp_path))
    assert (tmp_path / "run.json").exists()
    line = "Weights & Biases lacks something of this run: ConnectionError: cannot be reached"
    assert (tmp_path / "output.txt").read_text().count(line) > 1
