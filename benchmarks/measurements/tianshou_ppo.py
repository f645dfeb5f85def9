"""PPO of tianshou 2: its collector, its networks and its algorithm, at the same arguments.

Its rollout only records; values, advantages and log-probabilities are calculated at the beginning of its update.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch as th
from gymnasium import spaces
from tianshou.algorithm import PPO
from tianshou.algorithm.algorithm_base import policy_within_training_step
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy, ProbabilisticActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.utils.net.common import Net
from tianshou.utils.net.continuous import ContinuousActorProbabilistic, ContinuousCritic
from tianshou.utils.net.discrete import DiscreteActor, DiscreteCritic
from torch.distributions import Distribution, Independent, Normal

from benchmarks.measurements.settings import Setting
from benchmarks.measurements.single_file import NatureCNN, environment


class Images(th.nn.Module):
    """Features of images, as tianshou asks for them.

    :param channels: of an image
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.features = NatureCNN(channels)

    def get_output_dim(self) -> int:
        """How many there are."""
        return 512

    def forward(self, obs: Any, state: Any = None) -> tuple[th.Tensor, Any]:
        """Features and the state.

        :param obs: images
        :param state: is given back
        """
        return self.features(th.as_tensor(obs, device=next(self.parameters()).device)), state


def gaussian(parameters: tuple[th.Tensor, th.Tensor]) -> Distribution:
    """The distribution of an action.

    :param parameters: mean and standard deviation
    """
    return Independent(Normal(*parameters), 1)


def networks(env: Any, hidden: Sequence[int], images: bool) -> tuple[Any, Any]:
    """Features for the policy and for the value; tianshou calculates shared ones for each.

    :param env: one environment
    :param hidden: widths of the hidden layers
    :param images: whether NatureCNN comes before them
    """
    shape = env.observation_space.shape
    if images:
        shared = Images(shape[0])
        return shared, shared
    make = partial(Net, state_shape=shape, hidden_sizes=hidden, activation=th.nn.Tanh)
    return make(), make()


class Trainer:
    """PPO in a setting.

    :param chosen: the setting
    :param device: of torch
    """

    def __init__(self, chosen: Setting, device: str) -> None:
        th.manual_seed(0)
        self.arguments = arguments = chosen.hyperparameters
        env = environment(chosen)
        for_policy, for_value = networks(env, arguments.hidden, arguments.images)
        if isinstance(env.action_space, spaces.Discrete):
            actor = DiscreteActor(preprocess_net=for_policy, action_shape=env.action_space.n, softmax_output=False)
            critic = DiscreteCritic(preprocess_net=for_value)
            policy = DiscreteActorPolicy(actor=actor, action_space=env.action_space)
        else:
            shape = env.action_space.shape
            actor = ContinuousActorProbabilistic(preprocess_net=for_policy, action_shape=shape, unbounded=True)
            critic = ContinuousCritic(preprocess_net=for_value)
            own = {"action_scaling": False, "action_bound_method": None}  # the environment cuts them
            policy = ProbabilisticActorPolicy(actor=actor, dist_fn=gaussian, action_space=env.action_space, **own)
        self.algorithm = PPO(
            policy=policy,
            critic=critic,
            optim=AdamOptimizerFactory(lr=arguments.learning_rate, eps=1e-5),
            eps_clip=arguments.clip_range,
            vf_coef=arguments.vf_coef,
            ent_coef=arguments.ent_coef,
            max_grad_norm=arguments.max_grad_norm,
            gae_lambda=arguments.gae_lambda,
            gamma=arguments.gamma,
        ).to(device)
        envs = DummyVectorEnv([partial(environment, chosen)] * chosen.n_envs)
        envs.seed(0)
        self.steps = chosen.steps
        self.collector = Collector(self.algorithm, envs, VectorReplayBuffer(chosen.steps, chosen.n_envs))
        self.collector.reset()

    def rollout(self) -> None:
        """Only a rollout."""
        self.collector.reset_buffer(keep_statistics=True)
        with policy_within_training_step(self.algorithm.policy):
            self.collector.collect(n_step=self.steps)

    def update(self) -> None:
        """Only an update, on the rollout collected last."""
        with policy_within_training_step(self.algorithm.policy):
            self.algorithm.update(self.collector.buffer, self.arguments.batch_size, self.arguments.n_epochs)

    def end_to_end(self) -> None:
        """A whole iteration of training."""
        self.rollout()
        self.update()
