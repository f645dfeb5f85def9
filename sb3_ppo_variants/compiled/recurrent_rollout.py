"""A rollout with an LSTM policy in native code: that of RecurrentPPO, with and without masks, step for step.

Callbacks find the local variables that its loop gives them, so the names here are its names.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants.compiled.actor import CompiledActor
from sb3_ppo_variants.compiled.buffer import compute_returns_and_advantage
from sb3_ppo_variants.compiled.recurrent import flat_states
from sb3_ppo_variants.compiled.rollout import check_masks, predicted_values
from sb3_ppo_variants.loop.rollout import is_cut_off
from sb3_ppo_variants.maskable_lstm.policies import MaskableRecurrentActorCriticPolicy
from sb3_ppo_variants.vec_env.dummy import without_deep_copies


def collect_recurrent_rollouts(
    self: Any,
    act: CompiledActor,
    env: VecEnv,
    callback: BaseCallback,
    rollout_buffer: Any,
    n_rollout_steps: int,
    use_masking: bool | None = None,
) -> bool:
    """Do what ``collect_rollouts`` of RecurrentPPO and MaskableRecurrentPPO do.

    :param self: the model
    :param act: gives actions, values, log-probabilities and the next states of the LSTMs
    :param env: of the model
    :param callback: called at each step, at the beginning and at the end
    :param rollout_buffer: to be filled
    :param n_rollout_steps: steps of each environment
    :param use_masking: as in MaskableRecurrentPPO; ``None`` for what ``learn`` was given, which is no masks elsewhere
    :return: whether the rollout is whole; not when a callback ends the training
    :raises ValueError: when the environment has no masks and they are used
    """
    assert self._last_obs is not None, "No previous observation was provided"
    masks_of_step = _masks(self, env, rollout_buffer, use_masking)
    self.policy.set_training_mode(False)
    n_steps = 0
    rollout_buffer.reset()
    if self.use_sde:
        self.policy.reset_noise(env.num_envs)
    callback.on_rollout_start()
    lstm_states = deepcopy(self._last_lstm_states)
    with without_deep_copies(env):
        while n_steps < n_rollout_steps:
            if self.use_sde and self.sde_sample_freq > 0 and n_steps % self.sde_sample_freq == 0:
                self.policy.reset_noise(env.num_envs)
            obs_tensor = obs_as_tensor(self._last_obs, self.device)
            episode_starts = th.tensor(self._last_episode_starts, dtype=th.float32, device=self.device)
            others = {**flat_states(lstm_states), "episode_starts": episode_starts, **masks_of_step()}
            actions, values, log_probs, lstm_states = act(obs_tensor, others)
            actions = actions.cpu().numpy()
            clipped_actions = actions
            if isinstance(self.action_space, spaces.Box):
                clipped_actions = np.clip(actions, self.action_space.low, self.action_space.high)
            new_obs, rewards, dones, infos = env.step(clipped_actions)
            self.num_timesteps += env.num_envs

            callback.update_locals(locals())
            if not callback.on_step():
                return False

            self._update_info_buffer(infos, dones)
            n_steps += 1
            if isinstance(self.action_space, spaces.Discrete):
                actions = actions.reshape(-1, 1)
            for idx, done_ in enumerate(dones):
                if done_ and is_cut_off(infos[idx]):
                    terminal_obs = self.policy.obs_to_tensor(infos[idx]["terminal_observation"])[0]
                    terminal_lstm_state = tuple(state[:, idx : idx + 1, :].contiguous() for state in lstm_states.vf)
                    goes_on = th.zeros(1, device=self.device)
                    terminal_value = predicted_values(self.policy, terminal_obs, terminal_lstm_state, goes_on)[0]
                    rewards[idx] += self.gamma * terminal_value
            rollout_buffer.add(
                self._last_obs,
                actions,
                rewards,
                self._last_episode_starts,
                values,
                log_probs,
                lstm_states=self._last_lstm_states,
            )
            self._last_obs = new_obs
            self._last_episode_starts = dones
            self._last_lstm_states = lstm_states

    episode_starts = th.tensor(dones, dtype=th.float32, device=self.device)
    last_obs = obs_as_tensor(self._last_obs, self.device)
    values = predicted_values(self.policy, last_obs, lstm_states.vf, episode_starts)
    compute_returns_and_advantage(rollout_buffer, values, dones)
    callback.on_rollout_end()
    return True


def _masks(model: Any, env: VecEnv, buffer: Any, use_masking: bool | None) -> Callable[[], dict[str, Any]]:
    """What gives the masks of a step as an argument of the policy, and keeps them for the buffer."""
    masked = getattr(model, "use_masking", False) if use_masking is None else use_masking
    if isinstance(model.policy, MaskableRecurrentActorCriticPolicy):
        model.policy.choose_distribution(masked)  # native code does not
    if not masked:
        return dict
    check_masks(env)

    def of_step() -> dict[str, Any]:
        buffer.masks_of_step = masks = get_action_masks(env)
        return {"action_masks": masks}

    return of_step
