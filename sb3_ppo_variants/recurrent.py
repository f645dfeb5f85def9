"""sb3-contrib's RecurrentPPO as a host, and its named classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.distributions import Distribution

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.loop.faster import fused_steps
from sb3_ppo_variants.loop.rollout import in_storage_order
from sb3_ppo_variants.loop.sequences import Group, groups_of, whole_sequences
from sb3_ppo_variants.variants import AdaptiveClip, DualClip, KLPenalty


class RecurrentVariantPPO(VariantAlgorithm, RecurrentPPO):
    """sb3-contrib's RecurrentPPO with any chain of terms as its surrogate; with the defaults, RecurrentPPO bit for bit.

    See :class:`.algorithm.VariantAlgorithm` for the arguments beyond those of RecurrentPPO. Two things that fail in
    RecurrentPPO work here: a last minibatch of one sample, which it turns into NaN, and MultiBinary actions, on which
    it crashes.
    """

    stock = RecurrentPPO
    stays_eager = (
        "the update's losses and gradient, because every minibatch of sequences has another shape; rollouts, LSTMs "
        "over whole sequences and Adam run in native code"
    )

    def _faster_steps(self) -> AbstractContextManager[None]:
        return fused_steps(self.policy.optimizer) if self.compile else super()._faster_steps()

    def _evaluate_actions(self, samples: Any) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        with self._fast_sequences(samples):
            return self.policy.evaluate_actions(
                samples.observations, self._actions(samples), samples.lstm_states, samples.episode_starts
            )

    def _get_distribution(self, samples: Any) -> Distribution:
        states = samples.lstm_states.pi
        with self._fast_sequences(samples):
            distribution, _ = self.policy.get_distribution(samples.observations, states, samples.episode_starts)
        return distribution

    def _fast_sequences(self, samples: Any) -> AbstractContextManager[None]:
        """Where native code is asked for, LSTMs run over whole sequences."""
        return whole_sequences(self.policy, self._groups(samples)) if self.compile else nullcontext()

    def _groups(self, samples: Any) -> list[Group]:
        """Which sequences run together; on a GPU, and where batch norm counts the padding too, all of them."""
        batch_norm = any(isinstance(module, th.nn.modules.batchnorm._BatchNorm) for module in self.policy.modules())
        if batch_norm or samples.mask.device.type != "cpu":
            return []
        valid = samples.mask.reshape(samples.lstm_states.pi[0].shape[1], -1) > 1e-8
        last = valid * th.arange(1, valid.shape[1] + 1)
        return groups_of(last.amax(dim=1).tolist())

    def _actions(self, samples: Any) -> th.Tensor:
        actions = super()._actions(samples)
        # RecurrentPPO's buffer keeps integers, which the Bernoulli distribution refuses.
        return actions.float() if isinstance(self.action_space, spaces.MultiBinary) else actions

    def _value_loss(self, returns: th.Tensor, values: th.Tensor) -> th.Tensor:
        return th.mean((returns - values) ** 2)

    def _valid(self, samples: Any) -> th.Tensor | None:
        return samples.mask > 1e-8

    def _whole_rollout(self) -> Any:
        return None  # its minibatches are padded sequences

    def _samples_in_order(self) -> Iterator[Any]:
        # A chunk begins with the hidden state of its first step, and so does the first step of each environment.
        first_steps = np.zeros((self.n_envs, self.n_steps))
        first_steps[:, 0] = 1.0
        return in_storage_order(self.rollout_buffer, self.batch_size, first_steps.reshape(-1, 1))


class RecurrentDualClipPPO(DualClip, RecurrentVariantPPO):
    __doc__ = DualClip.__doc__


class RecurrentKLPenaltyPPO(KLPenalty, RecurrentVariantPPO):
    __doc__ = KLPenalty.__doc__


class RecurrentAdaptiveClipPPO(AdaptiveClip, RecurrentVariantPPO):
    __doc__ = AdaptiveClip.__doc__
