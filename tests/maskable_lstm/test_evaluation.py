"""Evaluations carry masks and hidden states; sb3-contrib's for masks forget the state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from sb3_contrib.common.maskable.callbacks import MaskableEvalCallback
from sb3_contrib.common.maskable.evaluation import evaluate_policy as evaluate_without_states
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor

from sb3_ppo_variants.maskable_lstm import MaskableRecurrentEvalCallback, MaskableRecurrentPPO, evaluate_policy
from tests.maskable_lstm.memory import Recall, recall, solved


@pytest.mark.parametrize("n_envs", [1, 2])
def test_masks_and_states_are_carried(n_envs: int) -> None:
    rewards, lengths = evaluate_policy(solved(), recall(n_envs), n_eval_episodes=4, return_episode_rewards=True)
    assert rewards == [1.0, 1.0, 1.0, 1.0]
    assert lengths == [3, 3, 3, 3]


def test_an_environment_without_a_vector_of_them() -> None:
    assert evaluate_policy(solved(), Monitor(Recall()), n_eval_episodes=4) == (1.0, 0.0)


def test_without_masks() -> None:
    assert evaluate_policy(solved(), recall(), n_eval_episodes=4, use_masking=False) == (-3.0, 0.0)


def test_contrib_forgets_the_state() -> None:
    """It is right where forgetting and remembering agree, in every second episode."""
    rewards, _ = evaluate_without_states(solved(), recall(), n_eval_episodes=4, return_episode_rewards=True)  # type: ignore[arg-type]
    assert rewards == [1.0, 0.0, 1.0, 0.0]


def test_a_callback_finds_the_model() -> None:
    found: list[int] = []
    model = solved()
    evaluate_policy(model, recall(), 1, callback=lambda variables, _: found.append(variables["model"].n_steps))
    assert found == [12, 12, 12]


def test_an_environment_without_masks_is_refused() -> None:
    with pytest.raises(ValueError, match="env: has no action masks; wrap it in sb3_contrib's ActionMasker"):
        evaluate_policy(solved(), Monitor(gym.make("CartPole-v1")))


def test_the_environment_of_the_callback_is_asked_in_evaluations_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    callback = MaskableRecurrentEvalCallback(recall(), eval_freq=1000)
    asked: list[str] = []

    def noted(name: str) -> Any:
        own = getattr(callback.eval_env, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            asked.append(name)
            return own(*args, **kwargs)

        return call

    for name in ("has_attr", "get_attr", "env_method"):
        monkeypatch.setattr(callback.eval_env, name, noted(name))
    callback.init_callback(solved())
    when_training_begins = len(asked)
    assert callback.on_step()
    assert len(asked) == when_training_begins
    unmasked = MaskableRecurrentEvalCallback(Monitor(gym.make("CartPole-v1")), eval_freq=1000)
    with pytest.raises(ValueError, match="env: has no action masks"):
        unmasked.init_callback(solved())


class Best(BaseCallback):
    """Which model a new best one is."""

    best: Any = None

    def _on_step(self) -> bool:
        self.best = self.model
        return True


def test_the_callback(tmp_path: Path) -> None:
    best, model = Best(), solved()
    callback = MaskableRecurrentEvalCallback(
        recall(), n_eval_episodes=4, eval_freq=12, best_model_save_path=str(tmp_path), callback_on_new_best=best
    )
    model.learn(12, callback=callback)  # evaluated before the first update
    assert callback.last_mean_reward == 1.0
    assert callback.model is best.best is model
    assert MaskableRecurrentPPO.load(tmp_path / "best_model").num_timesteps == 12


def test_contribs_callback_forgets_the_state() -> None:
    callback = MaskableEvalCallback(recall(), n_eval_episodes=4, eval_freq=12)
    solved().learn(12, callback=callback)
    assert callback.last_mean_reward == 0.5


def test_the_callback_without_masks() -> None:
    callback = MaskableRecurrentEvalCallback(recall(), n_eval_episodes=4, eval_freq=12, use_masking=False)
    solved().learn(12, callback=callback)
    assert callback.last_mean_reward == -3.0


def test_the_callback_gives_the_model_back_after_an_error() -> None:
    model = solved()
    callback = MaskableRecurrentEvalCallback(recall(), eval_freq=12)
    callback.init_callback(model)
    callback.n_calls = 12
    model.predict = None  # type: ignore[method-assign,assignment]
    with pytest.raises(TypeError):
        callback._on_step()
    assert callback.model is model
