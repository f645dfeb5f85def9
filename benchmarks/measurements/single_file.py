"""PPO as one file of plain PyTorch: storage in tensors, gymnasium's vector of environments, one Adam, one loop.

It needs torch and gymnasium alone, and does what stock PPO does, the bootstrap at time limits included.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import torch as th
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import nn
from torch.distributions import Categorical, Distribution, Independent, Normal

if TYPE_CHECKING:
    from benchmarks.measurements.settings import Setting


class ChannelsFirst(gym.ObservationWrapper[np.ndarray, Any, np.ndarray]):
    """Images as torch's convolutions take them.

    :param env: whose observations have their channels last
    """

    def __init__(self, env: gym.Env[np.ndarray, Any]) -> None:
        super().__init__(env)
        height, width, channels = env.observation_space.shape or ()
        self.observation_space = spaces.Box(0, 255, (channels, height, width), np.uint8)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """The observation with its channels first.

        :param observation: of the environment
        """
        return observation.transpose(2, 0, 1)


def environment(chosen: Setting) -> gym.Env[Any, Any]:
    """One environment, whose actions are cut to their bounds as SB3 does.

    :param chosen: the setting
    """
    env = chosen.env()
    if isinstance(env.action_space, spaces.Box):
        env = gym.wrappers.ClipAction(env)
    return ChannelsFirst(env) if chosen.hyperparameters.images else env


def linear(inputs: int, outputs: int, gain: float = math.sqrt(2)) -> nn.Linear:
    """A layer with orthogonal weights.

    :param inputs: number of them
    :param outputs: number of them
    :param gain: of the weights
    """
    made = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(made.weight, gain)
    nn.init.zeros_(made.bias)
    return made


def perceptron(widths: Sequence[int], outputs: int, gain: float) -> nn.Sequential:
    """Layers with tanh between them.

    :param widths: of the inputs and the hidden layers
    :param outputs: number of them
    :param gain: of the last layer
    """
    hidden: list[nn.Module] = []
    for inputs, width in pairwise(widths):
        hidden += [linear(inputs, width), nn.Tanh()]
    return nn.Sequential(*hidden, linear(widths[-1], outputs, gain))


class NatureCNN(nn.Module):
    """Convolutions of Mnih et al. 2015 over images of 84x84 pixels, with 512 features.

    :param channels: of an image
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(channels, 32, 8, 4), nn.ReLU()),
            *(nn.Conv2d(32, 64, 4, 2), nn.ReLU()),
            *(nn.Conv2d(64, 64, 3), nn.ReLU()),
            *(nn.Flatten(), linear(64 * 7 * 7, 512), nn.ReLU()),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.orthogonal_(layer.weight, math.sqrt(2))
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, images: th.Tensor) -> th.Tensor:
        """Features, shape ``(batch, 512)``.

        :param images: shape ``(batch, channels, 84, 84)``, up to 255
        """
        features: th.Tensor = self.layers(images.float() / 255.0)
        return features


class Gaussian(nn.Module):
    """Normal distributions with standard deviations that do not depend on the observation.

    :param size: of an action
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.log_std = nn.Parameter(th.zeros(size))

    def forward(self, mean: th.Tensor) -> Distribution:
        """The distribution of an action.

        :param mean: shape ``(batch, size)``
        """
        return Independent(Normal(mean, self.log_std.exp()), 1)


class Agent(nn.Module):
    """Policy and value.

    :param observation_space: of one environment
    :param action_space: of one environment
    :param hidden: widths of the hidden layers, of policy and value each
    """

    def __init__(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], hidden: Sequence[int]):
        super().__init__()
        shape = observation_space.shape or ()
        images = len(shape) == 3
        self.features = NatureCNN(shape[0]) if images else nn.Flatten()
        widths = [512 if images else math.prod(shape), *hidden]
        self.distribution: Callable[[th.Tensor], Distribution]
        if isinstance(action_space, spaces.Discrete):
            outputs = int(action_space.n)
            self.distribution = lambda logits: Categorical(logits=logits)
        else:
            outputs = math.prod(action_space.shape or ())
            self.distribution = Gaussian(outputs)
        self.actor = perceptron(widths, outputs, 0.01)
        self.critic = perceptron(widths, 1, 1.0)

    def forward(self, observations: th.Tensor) -> tuple[Distribution, th.Tensor]:
        """The distribution of the actions, and values of shape ``(batch,)``.

        :param observations: a batch of them
        """
        features = self.features(observations)
        return self.distribution(self.actor(features)), self.critic(features).flatten()


class Trainer:
    """PPO in a setting.

    :param chosen: the setting
    :param device: of torch
    """

    def __init__(self, chosen: Setting, device: str) -> None:
        th.manual_seed(0)
        self.arguments, self.device = chosen.hyperparameters, device
        make = lambda: gym.wrappers.RecordEpisodeStatistics(environment(chosen))  # noqa: E731
        self.envs = SyncVectorEnv([make] * chosen.n_envs, autoreset_mode=AutoresetMode.SAME_STEP)
        observations, actions = self.envs.single_observation_space, self.envs.single_action_space
        self.agent = self._agent(observations, actions).to(device)
        self.optimizer = th.optim.Adam(self.agent.parameters(), self.arguments.learning_rate, eps=1e-5)
        self.returns: deque[float] = deque(maxlen=100)
        self.statistics: dict[str, float] = {}

        first, _ = self.envs.reset(seed=0)
        self.observation = self._tensor(first)
        self.start = th.ones(chosen.n_envs, device=device)
        shape = (self.arguments.n_steps, chosen.n_envs)
        self.observations = th.zeros(*shape, *self.observation.shape[1:], dtype=self.observation.dtype, device=device)
        action_dtype = th.int64 if isinstance(actions, spaces.Discrete) else th.float32
        self.actions = th.zeros(*shape, *(actions.shape or ()), dtype=action_dtype, device=device)
        self.starts, self.rewards, self.log_probs, self.values, self.advantages = th.zeros(5, *shape, device=device)

    def _agent(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> nn.Module:
        return Agent(observation_space, action_space, self.arguments.hidden)

    def _tensor(self, array: np.ndarray) -> th.Tensor:
        tensor = th.as_tensor(array, device=self.device)
        return tensor if tensor.dtype == th.uint8 else tensor.float()

    @th.no_grad()
    def rollout(self) -> None:
        """Only a rollout, with its advantages."""
        for step in range(self.arguments.n_steps):
            self.observations[step], self.starts[step] = self.observation, self.start
            distribution, self.values[step] = self.agent(self.observation)
            action = distribution.sample()
            self.actions[step], self.log_probs[step] = action, distribution.log_prob(action)
            observation, reward, terminated, truncated, infos = self.envs.step(action.cpu().numpy())
            if "final_obs" in infos:
                self._end_episodes(reward, truncated & ~terminated, infos)
            self.rewards[step] = self._tensor(reward)
            self.observation, self.start = self._tensor(observation), self._tensor(terminated | truncated)
        self.estimate_advantages()

    def _end_episodes(self, reward: np.ndarray, truncated: np.ndarray, infos: dict[str, Any]) -> None:
        """Bootstrap where time ran out, and note the returns."""
        self.returns.extend(infos["final_info"]["episode"]["r"][infos["_final_obs"]])
        if truncated.any():
            final = self._tensor(np.stack(infos["final_obs"][truncated]))
            reward[truncated] += self.arguments.gamma * self._final_values(final, truncated).cpu().numpy()

    def _final_values(self, final: th.Tensor, truncated: np.ndarray) -> th.Tensor:
        """Values of the last observations of episodes whose time ran out."""
        values: th.Tensor = self.agent(final)[1]
        return values

    def _next_values(self) -> th.Tensor:
        """Values of the observations after the rollout."""
        values: th.Tensor = self.agent(self.observation)[1]
        return values

    @th.no_grad()
    def estimate_advantages(self) -> None:
        """Generalised advantage estimation (Schulman et al. 2016)."""
        gamma, gae_lambda = self.arguments.gamma, self.arguments.gae_lambda
        next_value = self._next_values()
        next_start, advantage = self.start, th.zeros_like(next_value)
        for step in reversed(range(self.arguments.n_steps)):
            goes_on = 1.0 - next_start
            delta = self.rewards[step] + gamma * goes_on * next_value - self.values[step]
            advantage = delta + gamma * gae_lambda * goes_on * advantage
            self.advantages[step] = advantage
            next_start, next_value = self.starts[step], self.values[step]

    def update(self) -> None:
        """Only an update, on the rollout collected last."""
        returns = (self.advantages + self.values).flatten()
        observations, actions = self.observations.flatten(0, 1), self.actions.flatten(0, 1)
        log_probs, advantages = self.log_probs.flatten(), self.advantages.flatten()
        for _ in range(self.arguments.n_epochs):
            for rows in th.split(th.randperm(len(returns), device=self.device), self.arguments.batch_size):
                distribution, values = self.agent(observations[rows])
                self._step(distribution, values, actions[rows], log_probs[rows], advantages[rows], returns[rows])

    def _step(
        self,
        distribution: Distribution,
        values: th.Tensor,
        actions: th.Tensor,
        old_log_probs: th.Tensor,
        advantages: th.Tensor,
        returns: th.Tensor,
    ) -> None:
        """One step of Adam on a minibatch."""
        clip_range = self.arguments.clip_range
        log_ratio = distribution.log_prob(actions) - old_log_probs
        ratio = log_ratio.exp()
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
        policy_loss = -th.min(advantages * ratio, advantages * clipped).mean()
        value_loss = (returns - values).square().mean()
        entropy = distribution.entropy().mean()
        loss = policy_loss - self.arguments.ent_coef * entropy + self.arguments.vf_coef * value_loss

        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.agent.parameters(), self.arguments.max_grad_norm)
        self.optimizer.step()
        with th.no_grad():
            self.statistics = {
                "approx_kl": (ratio - 1.0 - log_ratio).mean().item(),
                "clip_fraction": ((ratio - 1.0).abs() > clip_range).float().mean().item(),
            }

    def end_to_end(self) -> None:
        """A whole iteration of training."""
        self.rollout()
        self.update()
