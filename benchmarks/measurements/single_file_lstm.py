"""PPO with an LSTM policy in plain PyTorch, as scripts have it: segments of the rollout, replayed step by step.

What it shares with the file without an LSTM is in :mod:`.single_file`. A segment is as long as a minibatch or a
rollout, whichever is shorter, and begins with the state that the rollout had there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from torch import nn
from torch.distributions import Categorical

from benchmarks.measurements import single_file
from benchmarks.measurements.settings import Setting
from benchmarks.measurements.single_file import perceptron

# Of each LSTM; SB3's default.
WIDTH = 256


class Agent(nn.Module):
    """Policy and value, each with an LSTM before its layers.

    :param observation_space: of one environment
    :param action_space: of one environment, discrete
    :param hidden: widths of the hidden layers, of policy and value each
    """

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Discrete, hidden: Sequence[int]
    ) -> None:
        super().__init__()
        inputs = math.prod(observation_space.shape or ())
        self.actor_lstm, self.critic_lstm = nn.LSTM(inputs, WIDTH), nn.LSTM(inputs, WIDTH)
        self.actor = perceptron([WIDTH, *hidden], int(action_space.n), 0.01)
        self.critic = perceptron([WIDTH, *hidden], 1, 1.0)

    def forward(
        self, observations: th.Tensor, starts: th.Tensor, state: th.Tensor
    ) -> tuple[Categorical, th.Tensor, th.Tensor]:
        """The distribution of the actions, values of shape ``(steps, n)``, and the state after the last step.

        :param observations: shape ``(steps, n, features)``
        :param starts: 1 where an episode begins, shape ``(steps, n)``
        :param state: hidden and cell state of the policy, then of the value, shape ``(4, n, width)``
        """
        for_actor, for_critic = [], []
        for observation, start in zip(observations.unsqueeze(1), starts, strict=True):
            hidden_pi, cell_pi, hidden_vf, cell_vf = (state * (1.0 - start).unsqueeze(1)).split(1)
            of_actor, after_pi = self.actor_lstm(observation, (hidden_pi, cell_pi))
            of_critic, after_vf = self.critic_lstm(observation, (hidden_vf, cell_vf))
            for_actor.append(of_actor)
            for_critic.append(of_critic)
            state = th.cat([*after_pi, *after_vf])
        values = self.critic(th.cat(for_critic)).squeeze(-1)
        return Categorical(logits=self.actor(th.cat(for_actor))), values, state


class Trainer(single_file.Trainer):
    """PPO with an LSTM policy in a setting.

    :param chosen: the setting
    :param device: of torch
    """

    def __init__(self, chosen: Setting, device: str) -> None:
        super().__init__(chosen, device)
        self.state = th.zeros(4, chosen.n_envs, WIDTH, device=device)
        self.length = min(self.arguments.n_steps, self.arguments.batch_size)
        # Of the first step of each segment.
        self.states = th.zeros(self.arguments.n_steps // self.length, *self.state.shape, device=device)

    def _agent(self, observation_space: spaces.Space[Any], action_space: Any) -> nn.Module:
        return Agent(observation_space, action_space, self.arguments.hidden)

    @th.no_grad()
    def rollout(self) -> None:
        """Only a rollout, with its advantages."""
        for step in range(self.arguments.n_steps):
            if step % self.length == 0:
                self.states[step // self.length] = self.state
            self.observations[step], self.starts[step] = self.observation, self.start
            distribution, self.values[step], self.state = self.agent(
                self.observation[None], self.start[None], self.state
            )
            action = distribution.sample()
            self.actions[step], self.log_probs[step] = action[0], distribution.log_prob(action)[0]
            observation, reward, terminated, truncated, infos = self.envs.step(action[0].cpu().numpy())
            if "final_obs" in infos:
                self._end_episodes(reward, truncated & ~terminated, infos)
            self.rewards[step] = self._tensor(reward)
            self.observation, self.start = self._tensor(observation), self._tensor(terminated | truncated)
        self.estimate_advantages()

    def _final_values(self, final: th.Tensor, truncated: np.ndarray) -> th.Tensor:
        state = self.state[:, th.as_tensor(truncated)]
        values: th.Tensor = self.agent(final[None], th.zeros(1, len(final), device=self.device), state)[1]
        return values[0]

    def _next_values(self) -> th.Tensor:
        values: th.Tensor = self.agent(self.observation[None], self.start[None], self.state)[1]
        return values[0]

    def update(self) -> None:
        """Only an update, on the rollout collected last."""
        returns = self.advantages + self.values
        stored = (self.observations, self.starts, self.actions, self.log_probs, self.advantages, returns)
        observations, starts, *rest = (self._segments(tensor) for tensor in stored)
        states = self.states.transpose(0, 1).flatten(1, 2)
        for _ in range(self.arguments.n_epochs):
            order = th.randperm(states.shape[1], device=self.device)
            for rows in th.split(order, self.arguments.batch_size // self.length):
                distribution, values, _ = self.agent(observations[:, rows], starts[:, rows], states[:, rows])
                self._step(distribution, values, *(tensor[:, rows] for tensor in rest))

    def _segments(self, tensor: th.Tensor) -> th.Tensor:
        """Steps of all environments, shape ``(n_steps, n_envs, ...)``, as ``(length, segments, ...)``."""
        return tensor.reshape(-1, self.length, *tensor.shape[1:]).transpose(0, 1).flatten(1, 2)
