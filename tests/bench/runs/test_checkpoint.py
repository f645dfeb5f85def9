"""A run that was killed goes on from its checkpoint, and ends as if nothing had happened."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.monitor import load_results

from sb3_ppo_variants.bench.runs.checkpoint import RunCheckpoint
from sb3_ppo_variants.bench.runs.evaluation import TimedEvaluation
from sb3_ppo_variants.bench.runs.start import History
from sb3_ppo_variants.bench.runs.train import execute
from sb3_ppo_variants.bench.study.keys import Checkpoint
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.table.numbers import read_numbers
from tests.bench.runs.test_evaluation import OneWay
from tests.bench.studies import RUN
from tests.environments import SpacesEnv
from tests.slow import slow_where

EVERY_ROLLOUT = Checkpoint(every=1)
LONGER = replace(RUN, total_timesteps=320, evaluation_every=32, normalize={"gamma": 0.9})
RUNS = {
    "stock": LONGER,
    "frames": replace(LONGER, frame_stack=2, normalize=None),
    "sampled": replace(LONGER, evaluation_deterministic=False, normalize=None),
    "variant": replace(
        LONGER,
        algorithm="sb3_ppo_variants.VariantPPO",
        arguments={
            **RUN.arguments,
            "outer_momentum": 0.3,
            "regularizers": "churn",
            "adapt": {"clip_range": {"rule": "band", "follow": "kl", "target": 0.01, "low": 0.05, "high": 0.4}},
        },
    ),
    "recurrent": replace(
        LONGER,
        algorithm="sb3_ppo_variants.RecurrentVariantPPO",
        policy="MlpLstmPolicy",
        arguments={**RUN.arguments, "policy_kwargs": {"lstm_hidden_size": 4}},
    ),
    "masked": replace(LONGER, algorithm="sb3_contrib.MaskablePPO", environment="OneWay-v0", normalize=None),
}
SLOW = ("stock", "frames", "sampled", "recurrent", "masked")


class Locked(SpacesEnv):
    """Cannot be pickled, and keeps the seeds that it is given."""

    seeds: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None:
            self.seeds.append(seed)
        return super().reset(seed=seed, options=options)


def _make(environment: Any, **arguments: Any) -> Any:
    """Without what gymnasium asks for."""
    return environment()


@pytest.fixture(autouse=True)
def environments() -> Iterator[None]:
    made: dict[str, Any] = {"OneWay-v0": OneWay, "Locked-v0": Locked}
    for name, environment in made.items():
        gym.register(name, entry_point=partial(_make, environment))
    yield
    for name in made:
        del gym.registry[name]


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Sets the step at which the next process of a run is killed."""
    step = TimedEvaluation._on_step
    at: list[int | None] = [None]

    def on_step(self: TimedEvaluation) -> bool:
        if at[0] is not None and self.num_timesteps >= at[0]:
            raise Killed
        return step(self)

    monkeypatch.setattr(TimedEvaluation, "_on_step", on_step)

    def set_step(number: int | None) -> None:
        at[0] = number

    return set_step


def taken_over(folder: Path, name: str) -> Path:
    """A new folder that has the checkpoint of a dead process, as a claim makes it."""
    new = folder.parent / name
    new.mkdir()
    shutil.move(folder / "checkpoint.zip", new)
    shutil.rmtree(folder)
    return new


def made(run: Run, folder: Path) -> dict[str, Any]:
    """All that a report reads of a finished run, and its record."""
    numbers = read_numbers(run, folder, json.loads((folder / "run.json").read_text()))
    assert numbers.times is not None
    return {
        "evaluations": numbers.evaluations.to_csv(),
        "updates": numbers.updates.to_csv(),
        "evaluated": numbers.times["timesteps"].tolist(),
        "episodes": load_results(str(folder))[["r", "l"]].sort_index().to_csv(),
        "best": (folder / "best_model.zip").exists(),
    }


@pytest.mark.parametrize("name", slow_where(SLOW.__contains__, RUNS))
def test_a_run_killed_twice_equals_one_that_was_not(
    name: str, tmp_path: Path, killed_at: Callable[[int | None], None]
) -> None:
    run, whole, folder = RUNS[name], tmp_path / "whole", tmp_path / "first"
    whole.mkdir()
    folder.mkdir()
    execute(run, whole, "")
    for number, step in enumerate((90, 200)):
        killed_at(step)
        with pytest.raises(Killed):
            execute(run, folder, "", EVERY_ROLLOUT)
        folder = taken_over(folder, f"next {number}")
    killed_at(None)
    execute(run, folder, "", EVERY_ROLLOUT)

    assert made(run, folder) == made(run, whole)
    record = json.loads((folder / "run.json").read_text())
    assert record["resumed"] == [{"timesteps": 64, "differs": None}, {"timesteps": 192, "differs": None}]
    assert "checkpoint.zip" not in record["files"]
    assert "resumed" not in json.loads((whole / "run.json").read_text())


@pytest.mark.slow
@pytest.mark.processes
def test_environments_in_processes(tmp_path: Path, killed_at: Callable[[int | None], None]) -> None:
    run, whole, folder = replace(LONGER, vec_env="subproc"), tmp_path / "whole", tmp_path / "first"
    whole.mkdir()
    folder.mkdir()
    execute(run, whole, "")
    killed_at(200)
    with pytest.raises(Killed):
        execute(run, folder, "", EVERY_ROLLOUT)
    folder = taken_over(folder, "next")
    killed_at(None)
    execute(run, folder, "", EVERY_ROLLOUT)
    assert made(run, folder) == made(run, whole)
    assert json.loads((folder / "run.json").read_text())["resumed"] == [{"timesteps": 192, "differs": None}]


def test_environments_that_cannot_be_saved_begin_new_episodes(
    tmp_path: Path, killed_at: Callable[[int | None], None]
) -> None:
    run = replace(LONGER, environment="Locked-v0")
    killed_at(200)
    with pytest.raises(Killed):
        execute(run, tmp_path, "", EVERY_ROLLOUT)
    killed_at(None)
    episodes = len(load_results(str(tmp_path)))
    Locked.seeds.clear()
    execute(run, tmp_path, "", EVERY_ROLLOUT)
    (resumed,) = json.loads((tmp_path / "run.json").read_text())["resumed"]
    assert resumed["timesteps"] == 192
    assert "the environments cannot be pickled: TypeError" in resumed["differs"]
    assert "the evaluation environment cannot be pickled" in resumed["differs"]
    assert made(run, tmp_path)["evaluated"] == list(range(32, 321, 32))
    assert len(load_results(str(tmp_path))) >= episodes
    # That of the run and 192, as those of the run would give its first episodes again; and that of the evaluation.
    assert set(Locked.seeds) == {195, 196, 10_003}


def test_another_processor_is_said(
    tmp_path: Path, killed_at: Callable[[int | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(200)
    monkeypatch.setattr("sb3_ppo_variants.bench.runs.checkpoint.cpu", lambda: "Abacus")
    with pytest.raises(Killed):
        execute(LONGER, tmp_path, "", EVERY_ROLLOUT)
    killed_at(None)
    monkeypatch.setattr("sb3_ppo_variants.bench.runs.checkpoint.cpu", lambda: "Loom")
    execute(LONGER, tmp_path, "", EVERY_ROLLOUT)
    (resumed,) = json.loads((tmp_path / "run.json").read_text())["resumed"]
    assert resumed["differs"] == "processor Abacus, now Loom"


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no zip"])
def test_a_damaged_checkpoint_is_dropped(
    damage: bytes, tmp_path: Path, killed_at: Callable[[int | None], None]
) -> None:
    killed_at(200)
    with pytest.raises(Killed):
        execute(LONGER, tmp_path, "", EVERY_ROLLOUT)
    killed_at(None)
    (tmp_path / "checkpoint.zip").write_bytes(damage)
    execute(LONGER, tmp_path, "", EVERY_ROLLOUT)
    assert "The run begins anew, because its checkpoint cannot be read" in (tmp_path / "output.txt").read_text()
    assert "resumed" not in json.loads((tmp_path / "run.json").read_text())
    assert made(LONGER, tmp_path)["evaluated"] == list(range(32, 321, 32))


def test_without_checkpoints_a_run_leaves_none(tmp_path: Path, killed_at: Callable[[int | None], None]) -> None:
    killed_at(200)
    with pytest.raises(Killed):
        execute(LONGER, tmp_path, "")
    assert not (tmp_path / "checkpoint.zip").exists()


@pytest.mark.parametrize(
    ("minutes", "took", "waits"), [(1.0, 0.02, 60.0), (1.0, 1.5, 150.0), (0.001, 0.0, 0.06)], ids=str
)
def test_a_checkpoint_takes_one_percent_at_most(
    minutes: float, took: float, waits: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("sb3_ppo_variants.bench.runs.checkpoint.time.monotonic", lambda: now[0])
    history = History(0.0, 0.0, None, [])
    evaluation: Any = None
    saving = RunCheckpoint(tmp_path, evaluation, [], Checkpoint(minutes=minutes), history)
    saving.took = took
    now[0] += waits - 0.001
    assert not saving._is_due()
    now[0] += 0.002
    assert saving._is_due()


def test_what_evaluations_remember_is_kept(tmp_path: Path, killed_at: Callable[[int | None], None]) -> None:
    folder = tmp_path / "first"
    folder.mkdir()
    killed_at(200)
    with pytest.raises(Killed):
        execute(LONGER, folder, "", EVERY_ROLLOUT)
    best = (folder / "best_model.zip").read_bytes()
    folder = taken_over(folder, "next")
    killed_at(1)
    with pytest.raises(Killed):
        execute(LONGER, folder, "", EVERY_ROLLOUT)
    assert (folder / "best_model.zip").read_bytes() == best
    with np.load(folder / "evaluations.npz") as stored:
        assert stored["timesteps"].tolist() == [32, 64, 96, 128, 160, 192]
