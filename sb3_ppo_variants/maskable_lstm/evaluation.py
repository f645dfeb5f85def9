"""Evaluation with action masks and hidden states.

sb3-contrib's ``evaluate_policy`` for masks gives a policy no hidden state but the first; SB3's own carries the state,
so here it is given a model that asks for the masks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common import evaluation
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.vec_env import VecEnv


class _AskingModel:
    """A model whose ``predict`` asks an environment for the action masks; all else is the model's.

    :param model: predicts with masks
    :param env: whose observations it is given
    """

    def __init__(self, model: Any, env: gym.Env[Any, Any] | VecEnv) -> None:
        self._model, self._env = model, env

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        return self._model.predict(*args, action_masks=get_action_masks(self._env), **kwargs)


def _check_masks(env: gym.Env[Any, Any] | VecEnv) -> None:
    if not is_masking_supported(env):
        raise ValueError("env: has no action masks; wrap it in sb3_contrib's ActionMasker, or use_masking=False")


def evaluate_policy(
    model: Any,
    env: gym.Env[Any, Any] | VecEnv,
    n_eval_episodes: int = 10,
    deterministic: bool = True,
    render: bool = False,
    callback: Callable[[dict[str, Any], dict[str, Any]], None] | None = None,
    reward_threshold: float | None = None,
    return_episode_rewards: bool = False,
    warn: bool = True,
    use_masking: bool = True,
) -> Any:
    """Evaluate a policy with action masks and, where it has any, hidden states.

    The parameters and the result are those of SB3's ``evaluate_policy``.

    :param model: whose ``predict`` takes action masks
    :param use_masking: whether the environment is asked for action masks
    :raises ValueError: when masks are used and the environment has none
    """
    if use_masking:
        _check_masks(env)
    return evaluation.evaluate_policy(
        _AskingModel(model, env) if use_masking else model,
        env,
        n_eval_episodes,
        deterministic,
        render,
        callback,
        reward_threshold,
        return_episode_rewards,
        warn,
    )


class MaskableRecurrentEvalCallback(EvalCallback):
    """SB3's EvalCallback with action masks; hidden states are carried through an episode.

    :param args: of EvalCallback
    :param use_masking: whether the environment is asked for action masks
    :param kwargs: of EvalCallback
    :raises ValueError: when training begins, if masks are used and the environment has none
    """

    def __init__(self, *args: Any, use_masking: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.use_masking = use_masking

    def _init_callback(self) -> None:
        super()._init_callback()
        if self.use_masking:
            _check_masks(self.eval_env)

    def _on_step(self) -> bool:
        if not self.use_masking:
            return super()._on_step()
        model = self.model
        self.model = _AskingModel(model, self.eval_env)  # type: ignore[assignment]
        try:
            return super()._on_step()
        finally:
            self.model = model
