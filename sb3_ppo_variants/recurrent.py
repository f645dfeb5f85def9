"""sb3-contrib's RecurrentPPO as a host, and its named classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.buffers import RecurrentRolloutBuffer
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.distributions import Distribution

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.loop.faster import fused_steps
from sb3_ppo_variants.loop.rollout import Terminal, get_samples, in_storage_order
from sb3_ppo_variants.loop.sequences import Group, groups_of, whole_sequences
from sb3_ppo_variants.loop.update import Update
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

    def _setup_model(self) -> None:
        # The stock class looks for the LSTM of any other policy before it says so.
        if not issubclass(self.policy_class, RecurrentActorCriticPolicy):
            raise ValueError(
                f"{type(self).__name__}: policy={self.policy_class.__name__} has no LSTM; give one of "
                f"{', '.join(self.policy_aliases)} or a subclass of RecurrentActorCriticPolicy"
            )
        super()._setup_model()

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

    def value_loss(self, returns: th.Tensor, values: th.Tensor) -> th.Tensor:
        """The mean of squares by RecurrentPPO's own operation.

        :param returns: shape ``(batch,)``, without padding
        :param values: predicted, shape ``(batch,)``
        """
        return th.mean((returns - values) ** 2)

    def _valid(self, samples: Any) -> th.Tensor | None:
        return samples.mask > 1e-8

    def _whole_rollout(self) -> Any:
        return None  # its minibatches are padded sequences

    def _samples_in_order(self) -> Iterator[Any]:
        return in_storage_order(self.rollout_buffer, self._minibatch_size, self._first_steps())

    def _first_steps(self) -> np.ndarray:
        # A chunk begins with the hidden state of its first step, and so does the first step of each environment.
        first_steps = np.zeros((self.n_envs, self.n_steps))
        first_steps[:, 0] = 1.0
        return first_steps.reshape(-1, 1)

    def _draw_indices(self, generator: np.random.Generator, number: int) -> np.ndarray:
        size = self.n_steps * self.n_envs  # steps that follow one another, as in a minibatch
        return (generator.integers(size) + np.arange(min(number, size))) % size

    def _samples_at(self, indices: np.ndarray, update: Update) -> Any:
        return get_samples(self.rollout_buffer, indices, self._first_steps())

    def _predict_last_values(self, observations: Any) -> th.Tensor:
        starts = th.as_tensor(self._last_episode_starts, dtype=th.float32, device=self.device)
        return self.policy.predict_values(observations, self._states_of_critic(), starts)

    def _predict_terminal_value(self, terminal: Terminal) -> th.Tensor:
        observations, _ = self.policy.obs_to_tensor(terminal.observation)
        goes_on = th.zeros(1, device=self.device)
        return self.policy.predict_values(observations, self._critic_states_after(terminal), goes_on)

    def _states_of_critic(self) -> tuple[th.Tensor, th.Tensor]:
        """The states of the critic's LSTM after the rollout, each of shape ``(layers, n_envs, width)``."""
        states: Any = self._last_lstm_states
        return cast(tuple[th.Tensor, th.Tensor], states.vf)

    def _critic_states_after(self, terminal: Terminal) -> tuple[th.Tensor, th.Tensor]:
        """The states of the critic's LSTM after a step, hidden and cell, each of shape ``(layers, 1, width)``.

        :param terminal: the step
        """
        if terminal.step + 1 == self.n_steps:
            hidden, cell = (state[:, [terminal.env]] for state in self._states_of_critic())
            return hidden, cell
        # What the next step began with, in the flattened buffer.
        row, buffer = terminal.env * self.n_steps + terminal.step + 1, cast(RecurrentRolloutBuffer, self.rollout_buffer)
        kept = (buffer.hidden_states_vf[row], buffer.cell_states_vf[row])
        hidden, cell = (th.as_tensor(state, device=self.device).unsqueeze(1) for state in kept)
        return hidden, cell


class RecurrentDualClipPPO(DualClip, RecurrentVariantPPO):
    __doc__ = DualClip.__doc__


class RecurrentKLPenaltyPPO(KLPenalty, RecurrentVariantPPO):
    __doc__ = KLPenalty.__doc__


class RecurrentAdaptiveClipPPO(AdaptiveClip, RecurrentVariantPPO):
    __doc__ = AdaptiveClip.__doc__
