"""sb3-contrib's LSTM policies with action masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib.common.maskable.distributions import (
    MaskableDistribution,
    MaybeMasks,
    make_masked_proba_distribution,
)
from sb3_contrib.common.recurrent.policies import (
    RecurrentActorCriticCnnPolicy,
    RecurrentActorCriticPolicy,
    RecurrentMultiInputActorCriticPolicy,
)
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.distributions import (
    Distribution,
    MultiCategoricalDistribution,
    make_proba_distribution,
)
from stable_baselines3.common.type_aliases import Schedule


def _distribution_without_masks(action_space: spaces.Space[Any]) -> Distribution:
    """SB3's own distribution, of as many logits as the masked one has."""
    if isinstance(action_space, spaces.MultiBinary):
        return MultiCategoricalDistribution([2] * action_space.shape[0])
    return make_proba_distribution(action_space)


class MaskableRecurrentActorCriticPolicy(RecurrentActorCriticPolicy):
    """sb3-contrib's RecurrentActorCriticPolicy, all methods of which take action masks.

    Masks have the shape ``(batch, choices)``, true where a choice is allowed; ``choices`` counts those of all action
    dimensions, two for each of a MultiBinary. Without masks, the distribution is SB3's own: sb3-contrib's masked one
    normalises its logits twice, which changes their last bits.

    The parameters are those of RecurrentActorCriticPolicy.
    """

    # Those of the call in progress: sb3-contrib's methods make the distribution in their middle.
    _action_masks: MaybeMasks

    def _build(self, lr_schedule: Schedule) -> None:
        self._action_masks = None
        self.action_dist = _distribution_without_masks(self.action_space)
        super()._build(lr_schedule)

    @contextmanager
    def masked_by(self, action_masks: MaybeMasks) -> Iterator[None]:
        """A block in which every action distribution is masked.

        :param action_masks: of the batch; ``None`` leaves those of a block around this one in force
        """
        before = self._action_masks
        self._action_masks = before if action_masks is None else action_masks
        try:
            yield
        finally:
            self._action_masks = before

    def choose_distribution(self, masked: bool) -> None:
        """Have the kind of action distribution that the next call needs; a call chooses it by itself.

        :param masked: whether there are action masks
        """
        if masked != isinstance(self.action_dist, MaskableDistribution):
            make = make_masked_proba_distribution if masked else _distribution_without_masks
            self.action_dist = make(self.action_space)

    def _get_action_dist_from_latent(self, latent_pi: th.Tensor) -> Distribution:
        masked = self._action_masks is not None
        self.choose_distribution(masked)
        if not masked:
            return super()._get_action_dist_from_latent(latent_pi)
        distribution: Any = self.action_dist.proba_distribution(action_logits=self.action_net(latent_pi))
        distribution.apply_masking(self._action_masks)
        return distribution  # type: ignore[no-any-return]

    def forward(  # type: ignore[override]
        self,
        obs: th.Tensor,
        lstm_states: RNNStates,
        episode_starts: th.Tensor,
        deterministic: bool = False,
        action_masks: MaybeMasks = None,
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor, RNNStates]:
        """Actions, values, log-probabilities and the next states, as in RecurrentActorCriticPolicy.

        :param action_masks: shape ``(batch, choices)``; ``None`` allows all actions
        """
        with self.masked_by(action_masks):
            return super().forward(obs, lstm_states, episode_starts, deterministic)

    def get_distribution(  # type: ignore[override]
        self,
        obs: th.Tensor,
        lstm_states: tuple[th.Tensor, th.Tensor],
        episode_starts: th.Tensor,
        action_masks: MaybeMasks = None,
    ) -> tuple[Distribution, tuple[th.Tensor, ...]]:
        """The action distribution and the next states, as in RecurrentActorCriticPolicy.

        :param action_masks: shape ``(batch, choices)``; ``None`` allows all actions
        """
        with self.masked_by(action_masks):
            return super().get_distribution(obs, lstm_states, episode_starts)

    def evaluate_actions(  # type: ignore[override]
        self,
        obs: th.Tensor,
        actions: th.Tensor,
        lstm_states: RNNStates,
        episode_starts: th.Tensor,
        action_masks: MaybeMasks = None,
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        """Values, log-probabilities and entropies, as in RecurrentActorCriticPolicy.

        :param action_masks: shape ``(batch, choices)``; ``None`` allows all actions
        """
        with self.masked_by(action_masks):
            return super().evaluate_actions(obs, actions, lstm_states, episode_starts)

    def _predict(  # type: ignore[override]
        self,
        observation: th.Tensor,
        lstm_states: tuple[th.Tensor, th.Tensor],
        episode_starts: th.Tensor,
        deterministic: bool = False,
        action_masks: MaybeMasks = None,
    ) -> tuple[th.Tensor, tuple[th.Tensor, ...]]:
        with self.masked_by(action_masks):
            return super()._predict(observation, lstm_states, episode_starts, deterministic)

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
        action_masks: MaybeMasks = None,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """Actions and the next states, as in RecurrentActorCriticPolicy.

        :param action_masks: shape ``(n_envs, choices)``, or ``(choices,)`` for one observation; ``None`` allows all
            actions
        """
        with self.masked_by(action_masks):
            return super().predict(observation, state, episode_start, deterministic)


class MaskableRecurrentActorCriticCnnPolicy(MaskableRecurrentActorCriticPolicy, RecurrentActorCriticCnnPolicy):
    """The same for images: sb3-contrib's RecurrentActorCriticCnnPolicy."""


class MaskableRecurrentMultiInputActorCriticPolicy(
    MaskableRecurrentActorCriticPolicy, RecurrentMultiInputActorCriticPolicy
):
    """The same for dictionaries: sb3-contrib's RecurrentMultiInputActorCriticPolicy."""


MlpLstmPolicy = MaskableRecurrentActorCriticPolicy
CnnLstmPolicy = MaskableRecurrentActorCriticCnnPolicy
MultiInputLstmPolicy = MaskableRecurrentMultiInputActorCriticPolicy
