"""Callbacks see what they see in the stock classes, and every callback of SB3 works."""

from __future__ import annotations

import inspect
import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sb3_contrib.common.maskable.callbacks import MaskableEvalCallback
from stable_baselines3.common import callbacks
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.utils import FloatSchedule

from sb3_ppo_variants.maskable_lstm import MaskableRecurrentEvalCallback
from tests.contract.classes import (
    ROLLOUT,
    Host,
    assert_finite,
    each_class,
    each_host,
    host_of,
    learn,
    make_env,
    make_model,
    stock_of,
)


class Trace(BaseCallback):
    """Which hooks were called, and which local variables could be read."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, int]] = []
        self.names: dict[str, set[str]] = {}

    def _note(self, hook: str) -> None:
        self.calls.append((hook, self.num_timesteps))
        self.names.setdefault(hook, set()).update(self.locals)

    def _on_training_start(self) -> None:
        self._note("training_start")

    def _on_rollout_start(self) -> None:
        self._note("rollout_start")

    def _on_step(self) -> bool:
        self._note("step")
        return True

    def _on_rollout_end(self) -> None:
        self._note("rollout_end")

    def _on_training_end(self) -> None:
        self._note("training_end")


@each_class
def test_callbacks_see_what_they_see_in_the_stock_class(cls: Any) -> None:
    ours, stock = Trace(), Trace()
    make_model(cls).learn(2 * ROLLOUT, callback=ours)
    make_model(stock_of(cls)).learn(2 * ROLLOUT, callback=stock)
    assert ours.calls == stock.calls
    for hook, names in stock.names.items():
        assert names <= ours.names[hook], hook
    assert {"rewards", "dones", "infos", "actions", "values", "rollout_buffer"} <= ours.names["step"]


@each_class
def test_a_callback_that_writes_to_the_model_is_heard(cls: Any) -> None:
    """SB3 reads its arguments anew at every update, and so do the coefficients."""
    used: list[float] = []

    def halve(variables: dict[str, Any], _: Any) -> bool:
        model = variables["self"]
        model.learning_rate = model.lr_schedule = FloatSchedule(1e-5)
        model.n_epochs = 1
        used.append(model.num_timesteps)
        return True

    model = make_model(cls)
    dumps = learn(model, callback=halve)
    assert len(used) == 32
    assert model._n_updates == 2
    assert dumps[-1]["train/learning_rate"] == 1e-5


def eval_callback(cls: Any, folder: Path, **arguments: Any) -> BaseCallback:
    host = host_of(cls)
    kind: Any = MaskableEvalCallback if host.masks else callbacks.EvalCallback
    if host.masks and host.recurrent:
        kind = MaskableRecurrentEvalCallback
    return kind(  # type: ignore[no-any-return]
        make_env(cls), n_eval_episodes=2, eval_freq=8, verbose=0, log_path=str(folder), **arguments
    )


def ignore(variables: dict[str, Any], _: Any) -> bool:
    return bool(variables["self"].num_timesteps < 40)


CallbackMaker = Callable[[Any, Path], Any]
# What a test cannot make from its name alone.
MAKERS: dict[str, CallbackMaker] = {
    "CheckpointCallback": lambda cls, folder: callbacks.CheckpointCallback(8, str(folder), save_vecnormalize=True),
    "EvalCallback": lambda cls, folder: eval_callback(
        cls, folder, callback_on_new_best=Trace(), best_model_save_path=str(folder)
    ),
    "StopTrainingOnRewardThreshold": lambda cls, folder: eval_callback(
        cls, folder, callback_on_new_best=callbacks.StopTrainingOnRewardThreshold(-1e9)
    ),
    "StopTrainingOnNoModelImprovement": lambda cls, folder: eval_callback(
        cls, folder, callback_after_eval=callbacks.StopTrainingOnNoModelImprovement(0, 1)
    ),
    "StopTrainingOnMaxEpisodes": lambda cls, folder: callbacks.StopTrainingOnMaxEpisodes(3),
    "EveryNTimesteps": lambda cls, folder: callbacks.EveryNTimesteps(10, Trace()),
    "LogEveryNTimesteps": lambda cls, folder: callbacks.LogEveryNTimesteps(10),
    "ProgressBarCallback": lambda cls, folder: callbacks.ProgressBarCallback(),
    "CallbackList": lambda cls, folder: callbacks.CallbackList([Trace(), callbacks.ConvertCallback(ignore)]),
    "ConvertCallback": lambda cls, folder: ignore,
}
ABSTRACT = {"BaseCallback", "EventCallback"}
STOCK_CALLBACKS = [
    name
    for name, kind in inspect.getmembers(callbacks, inspect.isclass)
    if issubclass(kind, BaseCallback) and name not in ABSTRACT
]


def outcome(cls: Any, name: str, folder: Path) -> tuple[int, list[str], list[str]]:
    """Steps taken, files written and logged keys."""
    model = make_model(cls)
    model.set_logger(configure(str(folder / "log"), ["json"]))
    model.learn(2 * ROLLOUT, callback=MAKERS[name](cls, folder))
    model.logger.close()
    files = sorted(path.name for path in folder.iterdir())
    lines = (folder / "log" / "progress.json").read_text().splitlines()
    return model.num_timesteps, files, sorted({key for line in lines for key in json.loads(line)})


@cache
def stock_outcome(stock: Any, name: str) -> tuple[int, list[str], list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        return outcome(stock, name, Path(folder))


@pytest.mark.filterwarnings("ignore:rich is experimental")
@pytest.mark.filterwarnings("ignore:Training and eval env are not of the same type")
@pytest.mark.parametrize("name", STOCK_CALLBACKS)
@each_class
def test_every_stock_callback(cls: Any, name: str, tmp_path: Path) -> None:
    if name == "ProgressBarCallback":
        pytest.importorskip("tqdm")
        pytest.importorskip("rich")
    steps, files, keys = outcome(cls, name, tmp_path)
    stock_steps, stock_files, stock_keys = stock_outcome(stock_of(cls), name)
    assert files == stock_files
    assert set(stock_keys) <= set(keys)
    if name != "StopTrainingOnNoModelImprovement" or cls.fixed_objective is None:
        assert steps == stock_steps  # otherwise it depends on how well another objective does
    if name in ("StopTrainingOnRewardThreshold", "StopTrainingOnMaxEpisodes", "ConvertCallback", "CallbackList"):
        assert steps < 2 * ROLLOUT


@each_class
def test_what_the_callbacks_save_can_be_loaded(cls: Any, tmp_path: Path) -> None:
    make_model(cls).learn(ROLLOUT, callback=callbacks.CheckpointCallback(8, str(tmp_path)))
    loaded = cls.load(tmp_path / "rl_model_32_steps", env=make_env(cls), device="cpu")
    assert loaded.num_timesteps == 32
    assert_finite(learn(loaded, updates=1, reset_num_timesteps=False))


@pytest.mark.filterwarnings("ignore:rich is experimental")
@each_host
def test_progress_bar(host: Host) -> None:
    pytest.importorskip("tqdm")
    pytest.importorskip("rich")
    make_model(host.variant).learn(ROLLOUT, progress_bar=True)


def test_every_callback_of_sb3_has_a_test() -> None:
    assert set(STOCK_CALLBACKS) == set(MAKERS)
