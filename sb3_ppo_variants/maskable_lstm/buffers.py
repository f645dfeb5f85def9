"""sb3-contrib's recurrent rollout buffers with action masks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch as th
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer, MaskableRolloutBuffer
from sb3_contrib.common.recurrent.buffers import RecurrentDictRolloutBuffer, RecurrentRolloutBuffer
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.type_aliases import TensorDict


class MaskableRecurrentRolloutBufferSamples(NamedTuple):
    """A minibatch of padded sequences.

    :param action_masks: shape ``(padded batch, choices)``, all true in padded rows; ``None`` for a rollout without
    """

    observations: th.Tensor | TensorDict
    actions: th.Tensor
    old_values: th.Tensor
    old_log_prob: th.Tensor
    advantages: th.Tensor
    returns: th.Tensor
    lstm_states: RNNStates
    episode_starts: th.Tensor
    mask: th.Tensor
    action_masks: th.Tensor | None


class _MaskedSequences:
    """What joins a recurrent buffer and a maskable one, both of which follow it among the bases."""

    action_masks: np.ndarray
    mask_dims: int
    generator_ready: bool
    # The masks of the step in progress, from the policy's decision until `add`.
    masks_of_step: np.ndarray | None
    has_masks: bool

    def reset(self) -> None:
        """Forget the rollout."""
        super().reset()  # type: ignore[misc]
        self.masks_of_step = None
        self.has_masks = False

    def add(self, *args: Any, action_masks: np.ndarray | None = None, **kwargs: Any) -> None:
        """Add a step, as in sb3-contrib's buffers.

        :param action_masks: shape ``(n_envs, choices)``; if not given, ``masks_of_step``, and without these all true
        """
        masks = self.masks_of_step if action_masks is None else action_masks
        super().add(*args, action_masks=masks, **kwargs)  # type: ignore[misc]
        self.has_masks |= masks is not None
        self.masks_of_step = None

    def get(self, batch_size: int | None = None) -> Any:
        """The rollout in minibatches, as in sb3-contrib's recurrent buffers.

        :param batch_size: of a minibatch before padding
        :return: an iterator of :class:`MaskableRecurrentRolloutBufferSamples`
        """
        if not self.generator_ready:
            self.action_masks = self.swap_and_flatten(self.action_masks)  # type: ignore[attr-defined]
        yield from super().get(batch_size)  # type: ignore[misc]

    def _get_samples(self, batch_inds: np.ndarray, *args: Any, **kwargs: Any) -> Any:
        samples = super()._get_samples(batch_inds, *args, **kwargs)  # type: ignore[misc]
        masks = self._padded_masks(batch_inds) if self.has_masks else None
        return MaskableRecurrentRolloutBufferSamples(**samples._asdict(), action_masks=masks)

    def _padded_masks(self, batch_inds: np.ndarray) -> th.Tensor:
        # A row in which nothing is allowed has no distribution.
        padded: th.Tensor = self.pad(self.action_masks[batch_inds], padding_value=1.0)  # type: ignore[attr-defined]
        return padded.reshape(-1, self.mask_dims)


class MaskableRecurrentRolloutBuffer(_MaskedSequences, RecurrentRolloutBuffer, MaskableRolloutBuffer):
    """sb3-contrib's RecurrentRolloutBuffer with the action masks of its MaskableRolloutBuffer.

    The parameters are those of RecurrentRolloutBuffer.
    """


class MaskableRecurrentDictRolloutBuffer(_MaskedSequences, RecurrentDictRolloutBuffer, MaskableDictRolloutBuffer):
    """The same for observations that are dictionaries."""
