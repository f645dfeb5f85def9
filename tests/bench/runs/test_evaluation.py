from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from sb3_ppo_variants.bench.runs.evaluation import TIMES_FILE, evaluation_callback
from sb3_ppo_variants.bench.runs.train import execute
from sb3_ppo_variants.bench.study.study import Study
from tests.bench.conftest import Finished
from tests.maskable_lstm.memory import recall, solved


def test_the_clock_of_evaluations(finished: Finished) -> None:
    run = finished.study.run("ppo", "CartPole-v1", 0)
    times = pd.read_csv(finished.folders.finished(run) / TIMES_FILE)
    assert list(times.columns) == ["timesteps", "seconds", "evaluation_seconds"]
    assert times["timesteps"].tolist() == [64, 128, 192, 256]
    assert times["seconds"].is_monotonic_increasing
    assert (times["evaluation_seconds"] >= 0).all()


class OneWay(gym.Env[np.ndarray, np.int64]):
    """Only the action that the mask allows may be taken: 0 and 1 in turn."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self) -> None:
        self.steps = 0

    def action_masks(self) -> np.ndarray:
        return np.array([self.steps % 2 == 0, self.steps % 2 == 1])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert self.action_masks()[action], "the mask does not allow this action"
        self.steps += 1
        return np.zeros(2, np.float32), 1.0, self.steps == 6, False, {}


@pytest.mark.parametrize(
    ("algorithm", "policy"),
    [
        ("sb3_contrib.MaskablePPO", "MlpPolicy"),
        ("sb3_ppo_variants.MaskableDualClipPPO", "MlpPolicy"),
        ("sb3_ppo_variants.MaskableRecurrentDualClipPPO", "MlpLstmPolicy"),
    ],
)
def test_models_with_action_masks_are_evaluated_with_them(algorithm: str, policy: str, tmp_path: Path) -> None:
    gym.register("OneWay-v0", entry_point=lambda **kwargs: OneWay())
    study = Study.model_validate(
        {
            "name": "masks",
            "total_timesteps": 64,
            "seeds": 1,
            "evaluation": {"every": 32, "episodes": 2, "last": 1},
            "arguments": {"device": "cpu", "n_steps": 32, "batch_size": 16},
            "environments": ["OneWay-v0"],
            "arms": {"masked": {"algorithm": algorithm, "policy": policy}},
        }
    )
    try:
        execute(study.run("masked", "OneWay-v0", 0), tmp_path, "")
    finally:
        del gym.registry["OneWay-v0"]
    with np.load(tmp_path / "evaluations.npz") as stored:
        assert stored["results"].tolist() == [[6.0, 6.0], [6.0, 6.0]]


def test_models_with_masks_and_lstm_keep_their_hidden_states(tmp_path: Path) -> None:
    model = solved()
    callback = evaluation_callback(model)(recall(), tmp_path, n_eval_episodes=4, eval_freq=12)
    model.learn(12, callback=callback)
    assert callback.last_mean_reward == 1.0
