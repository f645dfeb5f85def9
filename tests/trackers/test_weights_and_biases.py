"""A run of W&B in offline mode, read back from its file."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3 import PPO

from sb3_ppo_variants import VariantPPO
from tests.environments import SpacesEnv
from tests.models import BAND, SMALL

wandb = pytest.importorskip("wandb")
BLOCK = 32768


def records(folder: Path) -> Iterator[Any]:
    """The records of a run's file, which is a log of LevelDB behind seven bytes of W&B's own."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    data, at, parts = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield wandb_internal_pb2.Record.FromString(parts)
            parts = b""


def model(**arguments: Any) -> VariantPPO:
    chain = ["clip", "dual_clip", "kl_penalty"]
    own: dict[str, Any] = {"objective": chain, "adapt": {"kl_coef": BAND}, "ent_coef": "lin_0.01"}
    return VariantPPO("MlpPolicy", SpacesEnv(), **own, **SMALL, **arguments)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    from sb3_ppo_variants.trackers.weights_and_biases import WandbVariantCallback

    folder = tmp_path_factory.mktemp("wandb")
    started = wandb.init(project="tests", mode="offline", dir=str(folder), sync_tensorboard=True)
    model(tensorboard_log=str(folder / "logs")).learn(96, WandbVariantCallback())
    started.finish()
    wandb.teardown()  # its service writes the file to the end
    return list(records(folder))


def configuration(run: list[Any]) -> dict[str, Any]:
    updates = [update for record in run for update in record.config.update]
    return {update.key: json.loads(update.value_json) for update in updates}


def test_the_configuration_has_the_variant(run: list[Any]) -> None:
    described = configuration(run)["variant"]
    assert described["objective"] == ["clip", "dual_clip", "kl_penalty"]
    assert described == json.loads(json.dumps(model().describe()))
    assert configuration(run)["algo"] == "VariantPPO"  # of W&B's own callback


def test_the_values_are_drawn_over_environment_steps(run: list[Any]) -> None:
    (metric,) = [record.metric for record in run if record.metric.glob_name == "train/*"]
    assert metric.step_metric == "global_step"
    histories = [{tuple(item.nested_key): item.value_json for item in record.history.item} for record in run]
    rows = [row for row in histories if ("train/kl_coef",) in row]
    assert [json.loads(row["global_step",]) for row in rows] == [64, 96]  # an update is written by the next dump
    assert ("train/dual_clip_fraction",) in rows[0]


def test_the_summary_has_the_extremes(run: list[Any]) -> None:
    summaries = [update for record in run for update in record.summary.update]
    (last, *_) = [update for update in reversed(summaries) if list(update.nested_key) == ["train/kl"]]
    assert json.loads(last.value_json).keys() == {"min", "max", "mean", "last"}


def test_a_stock_model_is_refused(tmp_path: Path) -> None:
    from sb3_ppo_variants.trackers.weights_and_biases import WandbVariantCallback

    with wandb.init(project="tests", mode="offline", dir=str(tmp_path)):
        callback = WandbVariantCallback()
        with pytest.raises(TypeError, match="PPO is not a variant"):
            PPO("MlpPolicy", SpacesEnv(), **SMALL).learn(32, callback)
