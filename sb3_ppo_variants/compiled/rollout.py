"""A rollout with a policy in native code: SB3's, step for step, without its copies.

Callbacks find the local variables that SB3's loop gives them, so the names here are SB3's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants.compiled.actor import CompiledActor
from sb3_ppo_variants.compiled.buffer import compute_returns_and_advantage, record
from sb3_ppo_variants.loop.rollout import is_cut_off
from sb3_ppo_variants.vec_env.dummy import without_deep_copies


def collect_rollouts(
    self: Any,
    act: CompiledActor,
    env: VecEnv,
    callback: BaseCallback,
    rollout_buffer: Any,
    n_rollout_steps: int,
    use_masking: bool | None = None,
) -> bool:
    """Do what ``collect_rollouts`` of PPO and MaskablePPO do.

    :param self: the model
    :param act: gives actions, values and log-probabilities
    :param env: of the model
    :param callback: called at each step, at the beginning and at the end
    :param rollout_buffer: to be filled
    :param n_rollout_steps: steps of each environment
    :param use_masking: as in MaskablePPO; ``None`` for PPO
    :return: whether the rollout is whole; not when a callback ends the training
    :raises ValueError: when the environment has no masks and they are used
    """
    assert self._last_obs is not None, "No previous observation was provided"
    self.policy.set_training_mode(False)
    rollout_buffer.reset()
    if self.use_sde:
        self.policy.reset_noise(env.num_envs)
    if use_masking:
        check_masks(env)
    masks: dict[str, Any] = {}
    action_masks = None
    callback.on_rollout_start()
    steps, within_bounds = record(rollout_buffer, self._last_obs, self.device), _within_bounds(self)
    n_steps = 0
    with without_deep_copies(env):
        while n_steps < n_rollout_steps:
            if self.use_sde and self.sde_sample_freq > 0 and n_steps % self.sde_sample_freq == 0:
                self.policy.reset_noise(env.num_envs)
            obs_tensor = steps.observe(self._last_obs)
            if use_masking:
                masks["action_masks"] = action_masks = get_action_masks(env)
            actions, values, log_probs = act(obs_tensor, masks, steps.outputs)
            actions = steps.array(actions)
            clipped_actions = within_bounds(actions)
            new_obs, rewards, dones, infos = env.step(clipped_actions)
            self.num_timesteps += env.num_envs

            callback.update_locals(locals())
            if not callback.on_step():
                return False

            self._update_info_buffer(infos, dones)
            n_steps += 1
            for idx, done in enumerate(dones):
                if done and is_cut_off(infos[idx]):
                    terminal_obs = self.policy.obs_to_tensor(infos[idx]["terminal_observation"])[0]
                    terminal_value = predicted_values(self.policy, terminal_obs)[0]
                    rewards[idx] += self.gamma * terminal_value
            steps.add(self._last_obs, actions, rewards, self._last_episode_starts, values, log_probs, **masks)
            self._last_obs = new_obs
            self._last_episode_starts = dones

    # As callbacks find them after SB3's loop; MaskablePPO's leaves them those of the last step.
    actions = actions.reshape(-1, 1) if isinstance(self.action_space, spaces.Discrete) else actions
    values = predicted_values(self.policy, obs_as_tensor(self._last_obs, self.device))
    compute_returns_and_advantage(rollout_buffer, values, dones)
    if use_masking is None:
        callback.update_locals(locals())
    callback.on_rollout_end()
    return True


def check_masks(env: VecEnv) -> None:
    """Refuse environments without action masks.

    :param env: of a model that uses them
    :raises ValueError: when they have none
    """
    if not is_masking_supported(env):
        raise ValueError("the environment has no action masks: wrap it in sb3_contrib's ActionMasker")


def _within_bounds(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    """What makes actions that the space has: those of a squashed policy are scaled, those of a Gaussian are cut."""
    space = model.action_space
    if not isinstance(space, spaces.Box):
        return lambda actions: actions
    if model.policy.squash_output:
        scale: Callable[[np.ndarray], np.ndarray] = model.policy.unscale_action
        return scale
    # `np.clip` takes twice as long for so few numbers.
    return lambda actions: np.minimum(np.maximum(actions, space.low), space.high)


@th.no_grad()
def predicted_values(policy: Any, *args: Any) -> th.Tensor:
    """Values without a gradient.

    :param policy: of the model
    :param args: of its ``predict_values``
    """
    values: th.Tensor = policy.predict_values(*args)
    return values
