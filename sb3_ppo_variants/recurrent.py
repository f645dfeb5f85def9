"""sb3-contrib's RecurrentPPO as a host, and its named classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.distributions import Distribution

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.loop.rollout import in_storage_order
from sb3_ppo_variants.loop.sequences import whole_sequences
from sb3_ppo_variants.variants import AdaptiveClip, DualClip, KLPenalty


class RecurrentVariantPPO(VariantAlgorithm, RecurrentPPO):
    """sb3-contrib's RecurrentPPO with any chain of terms as its surrogate; with the defaults, RecurrentPPO bit for bit.

    See :class:`.algorithm.VariantAlgorithm` for the arguments beyond those of RecurrentPPO. Two things that fail in
    RecurrentPPO work here: a last minibatch of one sample, which it turns into NaN, and MultiBinary actions, on which
    it crashes.
    """

    stock = RecurrentPPO

    def _setup_model(self) -> None:
        # The stock class looks for the LSTM of any other policy before it says so.
        if not issubclass(self.policy_class, RecurrentActorCriticPolicy):
            raise ValueError(
                f"{type(self).__name__}: policy={self.policy_class.__name__} has no LSTM; give one of "
                f"{', '.join(self.policy_aliases)} or a subclass of RecurrentActorCriticPolicy"
            )
        super()._setup_model()

    def train(self) -> None:
        """As in the stock class; where native code is asked for, LSTMs run over whole sequences."""
        with whole_sequences(self.policy) if self.compile else nullcontext():
            super().train()

    def _evaluate_actions(self, samples: Any) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        return self.policy.evaluate_actions(
            samples.observations, self._actions(samples), samples.lstm_states, samples.episode_starts
        )

    def _get_distribution(self, samples: Any) -> Distribution:
        states = samples.lstm_states.pi
        distribution, _ = self.policy.get_distribution(samples.observations, states, samples.episode_starts)
        return distribution

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
