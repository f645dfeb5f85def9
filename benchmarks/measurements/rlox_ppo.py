"""PPO of rlox, at the same arguments.

It steps CartPole-v1 in Rust, and other environments as gymnasium does; it does not cut actions to their bounds.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch as th
from rlox.algorithms.ppo import PPO
from rlox.policies import ContinuousPolicy, DiscretePolicy

from benchmarks.measurements.settings import Setting
from benchmarks.measurements.single_file import perceptron


def policy(env: Any, hidden: tuple[int, ...]) -> Any:
    """rlox's policy with as many layers as the setting has; its own have two.

    :param env: one environment
    :param hidden: widths of the hidden layers
    """
    inputs = env.observation_space.shape[0]
    discrete = env.action_space.shape == ()
    outputs = int(env.action_space.n if discrete else env.action_space.shape[0])
    made = (DiscretePolicy if discrete else ContinuousPolicy)(inputs, outputs)
    made.actor = perceptron([inputs, *hidden], outputs, 0.01)
    made.critic = perceptron([inputs, *hidden], 1, 1.0)
    return made


class Remembering:
    """A collector that keeps its last rollout.

    :param collector: rlox's
    """

    def __init__(self, collector: Any) -> None:
        self._collector = collector
        self.last: Any = None

    def collect(self, policy: Any, n_steps: int) -> Any:
        """As rlox's collector.

        :param policy: that acts
        :param n_steps: in each environment
        """
        self.last = self._collector.collect(policy, n_steps)
        return self.last


class Trainer:
    """PPO in a setting.

    :param chosen: the setting
    :param device: the CPU, the only one that rlox's PPO has
    :raises ValueError: when the setting has images or another device is asked for
    """

    def __init__(self, chosen: Setting, device: str) -> None:
        arguments = chosen.hyperparameters
        if arguments.images or not isinstance(chosen.environment, str):
            raise ValueError("rlox has no policy for images, and takes environments by their id")
        if device != "cpu":
            raise ValueError(f"rlox's PPO runs on the CPU, not on {device}")
        th.manual_seed(0)
        self.steps, self.n_steps = chosen.steps, arguments.n_steps
        self.algorithm = PPO(
            chosen.environment,
            n_envs=chosen.n_envs,
            seed=0,
            policy=policy(chosen.env(), arguments.hidden),
            n_steps=arguments.n_steps,
            n_epochs=arguments.n_epochs,
            batch_size=arguments.batch_size,
            learning_rate=arguments.learning_rate,
            anneal_lr=False,
            clip_eps=arguments.clip_range,
            clip_vloss=False,
            vf_coef=2.0 * arguments.vf_coef,  # rlox halves the squared error
            ent_coef=arguments.ent_coef,
            max_grad_norm=arguments.max_grad_norm,
            gamma=arguments.gamma,
            gae_lambda=arguments.gae_lambda,
        )
        self.collector = Remembering(self.algorithm.collector)

    def rollout(self) -> None:
        """Only a rollout, with its advantages."""
        self.collector.collect(self.algorithm.policy, self.n_steps)

    def update(self) -> None:
        """Only an update, on the rollout collected last: rlox's training, with a collector that has it."""
        self.algorithm.collector = SimpleNamespace(collect=lambda *_, **__: self.collector.last)
        self.algorithm.train(self.steps)

    def end_to_end(self) -> None:
        """A whole iteration of training."""
        self.algorithm.collector = self.collector
        self.algorithm.train(self.steps)
