"""Evaluations during training, with the clock beside them."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.callbacks import MaskableEvalCallback
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants.maskable_lstm import MaskableRecurrentEvalCallback, MaskableRecurrentPPO

TIMES_FILE = "evaluation_times.csv"
TIME_COLUMNS = ("timesteps", "seconds", "evaluation_seconds")
INFOS_FILE = "evaluation_infos.csv"
INFO_COLUMNS = ("timesteps", "key", "mean", "episodes")
# Of an info, not of the environment; SB3 keeps successes in evaluations.npz.
NO_INFOS = ("episode", "terminal_observation", "TimeLimit.truncated", "is_success")
# What EvalCallback remembers of a run, and MaskableEvalCallback.
STATE = (
    "n_calls", "best_mean_reward", "last_mean_reward", "evaluations_results", "evaluations_timesteps",
    "evaluations_length", "_is_success_buffer", "evaluations_successes", "evaluating",
)  # fmt: skip


class TimedEvaluation(EvalCallback):
    """SB3's EvalCallback that also writes when each evaluation took place, and the numbers in infos, line by line.

    Columns of ``evaluation_times.csv``: ``timesteps``; ``seconds``, the seconds of training until then, without the
    evaluations, which are no cost of an algorithm; ``evaluation_seconds``, the seconds that the evaluation itself took.

    Columns of ``evaluation_infos.csv``, which is there if infos have numbers: ``timesteps``; ``key`` of the info;
    ``mean`` of its number in the last step of each episode; ``episodes``, those that have the number.

    :param eval_env: as for EvalCallback
    :param folder: of both files
    :param keywords: keyword arguments of EvalCallback
    """

    def __init__(self, eval_env: VecEnv, folder: Path, **keywords: Any) -> None:
        super().__init__(eval_env, **keywords)
        self.times, self.infos = folder / TIMES_FILE, folder / INFOS_FILE
        self.ends: list[dict[str, float]] = []
        self.started = time.monotonic()
        self.evaluating = 0.0

    @property
    def state(self) -> dict[str, Any]:
        """What the evaluations so far have left, and the seconds since training began."""
        return {name: getattr(self, name) for name in STATE} | {"seconds": time.monotonic() - self.started}

    def go_on(self, state: dict[str, Any]) -> None:
        """Go on where the evaluations of a run were, once training has begun.

        :param state: :attr:`state` of then
        """
        self.started = time.monotonic() - state["seconds"]
        for name in STATE:
            setattr(self, name, state[name])

    def _on_training_start(self) -> None:
        super()._on_training_start()
        if not self.times.exists():
            self.started = time.monotonic()
            _append(self.times, [TIME_COLUMNS])

    def _on_step(self) -> bool:
        begin = time.monotonic()
        evaluations = len(self.evaluations_timesteps)
        self.ends = []
        go_on = super()._on_step()
        if len(self.evaluations_timesteps) > evaluations:
            took = time.monotonic() - begin
            seconds = begin - self.started - self.evaluating
            self.evaluating += took
            _append(self.times, [(self.num_timesteps, round(seconds, 3), round(took, 3))])
            self._write_infos()
        return go_on

    def _log_success_callback(self, locals_: dict[str, Any], globals_: dict[str, Any]) -> None:
        """Keep the numbers in the last info of an episode; SB3 calls this at every step of an evaluation."""
        super()._log_success_callback(locals_, globals_)
        if locals_["done"] and "episode" in locals_["info"]:
            self.ends.append(numbers(locals_["info"]))

    def _write_infos(self) -> None:
        keys = sorted({key for end in self.ends for key in end})
        if not keys:
            return
        found = {key: [end[key] for end in self.ends if key in end] for key in keys}
        rows = [(self.num_timesteps, key, float(np.mean(values)), len(values)) for key, values in found.items()]
        _append(self.infos, rows if self.infos.exists() else [INFO_COLUMNS, *rows])


def numbers(info: dict[str, Any]) -> dict[str, float]:
    """The numbers and truth values in an info, its other entries left out.

    :param info: of a step
    """
    found = {}
    for key, value in info.items():
        if isinstance(value, (bool, int, float, np.number, np.bool_)) and key not in NO_INFOS:
            found[str(key)] = float(value)
    return found


def _append(path: Path, rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("a", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


class MaskableTimedEvaluation(TimedEvaluation, MaskableEvalCallback):
    """The same with the action masks of the environment."""


class MaskableRecurrentTimedEvaluation(TimedEvaluation, MaskableRecurrentEvalCallback):
    """The same with action masks and hidden states."""


def seconds_per_step(folder: Path) -> float | None:
    """Seconds of a step of a run so far, its evaluations included; None before the first evaluation."""
    try:
        with (folder / TIMES_FILE).open(newline="") as file:
            rows = [tuple(map(float, row)) for row in csv.reader(file) if row and row[0] != TIME_COLUMNS[0]]
        timesteps, seconds, _ = rows[-1]
        return (seconds + sum(evaluation_seconds for _, _, evaluation_seconds in rows)) / timesteps
    except (OSError, ValueError, IndexError):
        return None


def evaluation_callback(model: BaseAlgorithm) -> type[TimedEvaluation]:
    """Return the callback that evaluates a model: with its action masks, when it has any."""
    if isinstance(model, MaskableRecurrentPPO):
        return MaskableRecurrentTimedEvaluation
    return MaskableTimedEvaluation if isinstance(model, MaskablePPO) else TimedEvaluation
