"""The layout lies in the event file, and shows the keys that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback

from sb3_ppo_variants import AdaptiveClipPPO, KLPenaltyPPO, RecurrentDualClipPPO, VariantPPO
from sb3_ppo_variants.trackers.tensorboard import TensorBoardDashboard
from tests.environments import SpacesEnv
from tests.models import BAND, SMALL, slow_down

pytest.importorskip("tensorboard")

Layout = dict[str, dict[str, list[str]]]


def events_of(run: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(run)).Reload()


def events(folder: Path) -> Any:
    (run,) = folder.iterdir()
    return events_of(run)


def layout(file: Any) -> Layout:
    """Category to title to keys, as TensorBoard reads it."""
    from tensorboard.plugins.custom_scalar import layout_pb2

    (event,) = file.Tensors("custom_scalars__config__")
    read = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    return {
        category.title: {chart.title: list(chart.multiline.tag) for chart in category.chart}
        for category in read.category
    }


def patterns(read: Layout) -> list[str]:
    return [pattern for charts in read.values() for tags in charts.values() for pattern in tags]


def trained(model: Any, folder: Path, updates: int = 2) -> tuple[Any, Layout]:
    evaluation = EvalCallback(model.get_env(), n_eval_episodes=1, eval_freq=16, verbose=0)
    model.learn(updates * 32, [TensorBoardDashboard(), evaluation])
    file = events(folder)
    return file, layout(file)


def test_the_layout_of_an_adaptive_chain(tmp_path: Path) -> None:
    model = VariantPPO(
        "MlpPolicy",
        SpacesEnv(),
        objective=["clip", "dual_clip", "kl_penalty", slow_down],
        adapt={"kl_coef": BAND},
        tensorboard_log=str(tmp_path),
        **SMALL,
    )
    file, read = trained(model, tmp_path)
    assert list(read) == ["Returns", "Size of the update", "Terms", "Adaptive kl_coef", "Coefficients", "Training"]
    assert read["Size of the update"]["KL(old || new), nats"] == ["^train/kl$", "^train/approx_kl$"]
    assert read["Terms"] == {
        "shares of the samples": [
            "^train/clip_fraction_alive$",
            "^train/clip_fraction_removed$",
            "^train/dual_clip_fraction$",
        ],
        "kl_penalty": ["^train/kl_penalty$"],
    }
    assert read["Adaptive kl_coef"] == {
        "kl_coef, towards kl = 0.01": ["^train/kl_coef$"],
        "share of updates with kl_coef at a bound": ["^train/kl_coef_at_bound$"],
    }
    assert set(read["Coefficients"]) == {"learning_rate", "ent_coef", "vf_coef", "clip_range", "dual_clip", "slow_coef"}
    keys = [pattern.strip("^$") for pattern in patterns(read)]
    assert len(keys) == len(set(keys))
    scalars = set(file.Tags()["scalars"])
    assert set(keys) <= scalars
    assert {key for key in scalars if key.startswith("train/")} <= set(keys)  # nothing is left without a chart


@pytest.mark.parametrize("updates", [1, 2])
def test_a_named_class_has_the_charts_of_its_own_rule(updates: int, tmp_path: Path) -> None:
    model = AdaptiveClipPPO("MlpPolicy", SpacesEnv(), tensorboard_log=str(tmp_path), **SMALL)
    model.learn(updates * 32, TensorBoardDashboard())
    read = layout(events(tmp_path))
    assert "clip_range, towards kl = 0.01" in read["Adaptive clip_range"]
    assert "clip_range" not in read["Coefficients"]
    assert "kl_coef" not in str(read)


def test_a_recurrent_model(tmp_path: Path) -> None:
    model = RecurrentDualClipPPO("MlpLstmPolicy", SpacesEnv(), tensorboard_log=str(tmp_path), **SMALL)
    _, read = trained(model, tmp_path)
    assert "^train/dual_clip_fraction$" in read["Terms"]["shares of the samples"]
    assert "largest KL of a state, nats" not in read["Size of the update"]  # log_kl=False: nothing to show


def test_training_stays_as_it_is(tmp_path: Path) -> None:
    logs = []
    for callback in (None, TensorBoardDashboard()):
        model = KLPenaltyPPO("MlpPolicy", SpacesEnv(), tensorboard_log=str(tmp_path), **SMALL)
        model.learn(64, callback)
        logs.append({key: value for key, value in model.logger.name_to_value.items() if key.startswith("train/")})
    assert logs[0] == logs[1]


def test_a_second_learn_writes_it_again(tmp_path: Path) -> None:
    model = KLPenaltyPPO("MlpPolicy", SpacesEnv(), tensorboard_log=str(tmp_path), **SMALL)
    callback = TensorBoardDashboard()
    model.learn(32, callback)
    model.learn(32, callback, tb_log_name="second")
    runs = list(tmp_path.iterdir())
    assert len(runs) == 2
    assert layout(events_of(runs[0])) == layout(events_of(runs[1]))


def test_without_a_folder_it_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="tensorboard_log"):
        VariantPPO("MlpPolicy", SpacesEnv(), **SMALL).learn(32, TensorBoardDashboard())


def test_a_stock_model_is_refused(tmp_path: Path) -> None:
    model = PPO("MlpPolicy", SpacesEnv(), tensorboard_log=str(tmp_path), **SMALL)
    with pytest.raises(TypeError, match="PPO is not a variant"):
        model.learn(32, TensorBoardDashboard())
