"""Evaluations during training, with the clock beside them."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.callbacks import MaskableEvalCallback
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants.maskable_lstm import MaskableRecurrentEvalCallback, MaskableRecurrentPPO

TIMES_FILE = "evaluation_times.csv"
TIME_COLUMNS = ("timesteps", "seconds", "evaluation_seconds")
# What EvalCallback remembers of a run, and MaskableEvalCallback.
STATE = (
    "n_calls", "best_mean_reward", "last_mean_reward", "evaluations_results", "evaluations_timesteps",
    "evaluations_length", "_is_success_buffer", "evaluations_successes", "evaluating",
)  # fmt: skip


class TimedEvaluation(EvalCallback):
    """SB3's EvalCallback that also writes when each evaluation took place, line by line, into a CSV.

    Its columns: ``timesteps``; ``seconds``, the seconds of training until then, without the evaluations, which are
    no cost of an algorithm; ``evaluation_seconds``, the seconds that the evaluation itself took.

    :param eval_env: as for EvalCallback
    :param path: the CSV file
    :param keywords: keyword arguments of EvalCallback
    """

    def __init__(self, eval_env: VecEnv, path: Path, **keywords: Any) -> None:
        super().__init__(eval_env, **keywords)
        self.path = path
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
        if not self.path.exists():
            self.started = time.monotonic()
            self._write(TIME_COLUMNS, mode="w")

    def _on_step(self) -> bool:
        begin = time.monotonic()
        evaluations = len(self.evaluations_timesteps)
        go_on = super()._on_step()
        if len(self.evaluations_timesteps) > evaluations:
            took = time.monotonic() - begin
            seconds = begin - self.started - self.evaluating
            self.evaluating += took
            self._write((self.num_timesteps, round(seconds, 3), round(took, 3)), mode="a")
        return go_on

    def _write(self, row: tuple[object, ...], mode: str) -> None:
        with self.path.open(mode, newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)


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
