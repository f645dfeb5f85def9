"""What is logged reaches every output of SB3's logger."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3.common.logger import configure

from tests.contract.classes import ROLLOUT, each_class, make_model


@each_class
def test_logger_outputs(cls: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    model = make_model(cls, log_kl=True)
    model.set_logger(configure(str(tmp_path), ["csv", "json", "log", "tensorboard"]))
    model.learn(3 * ROLLOUT)
    model.logger.close()
    lines = [json.loads(line) for line in (tmp_path / "progress.json").read_text().splitlines()]
    with (tmp_path / "progress.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(lines) == len(rows) == 3
    assert set(rows[-1]) == set(lines[-1])
    for key in ("train/kl", "train/loss", "train/clip_range", "train/ratio_max"):
        assert float(rows[-1][key]) == pytest.approx(lines[-1][key])
    assert "kl" in (tmp_path / "log.txt").read_text()
    counters = {"time/iterations", "time/time_elapsed", "time/total_timesteps", "train/n_updates"}
    assert tensorboard_scalars(tmp_path) >= set(lines[-1]) - counters


def tensorboard_scalars(folder: Path) -> set[str]:
    """The tags in the event files of a folder."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = events.EventAccumulator(str(folder))
    accumulator.Reload()
    return set(accumulator.Tags()["scalars"])


@each_class
def test_tensorboard_folder_counts_runs(cls: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    for _ in range(2):
        make_model(cls, tensorboard_log=str(tmp_path)).learn(ROLLOUT)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{cls.__name__}_1", f"{cls.__name__}_2"]


@each_class
def test_verbose_prints_a_table(cls: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_model(cls, verbose=1).learn(2 * ROLLOUT)
    printed = capsys.readouterr().out
    for word in ("rollout/", "ep_rew_mean", "train/", "approx_kl", "clip_range", "explained_variance"):
        assert word in printed
