"""RecurrentPPO with action masks as a host, and its named classes."""

from __future__ import annotations

from typing import Any

import torch as th
from stable_baselines3.common.distributions import Distribution

from sb3_ppo_variants.maskable_lstm.ppo import MaskableRecurrentPPO
from sb3_ppo_variants.recurrent import RecurrentVariantPPO
from sb3_ppo_variants.variants import AdaptiveClip, DualClip, KLPenalty


class MaskableRecurrentVariantPPO(RecurrentVariantPPO, MaskableRecurrentPPO):
    """LSTM policies with action masks, and any chain of terms as the surrogate.

    See :class:`.algorithm.VariantAlgorithm` for the arguments beyond those of sb3-contrib's RecurrentPPO. With
    ``learn(..., use_masking=False)`` it equals :class:`RecurrentVariantPPO` bit for bit, but for MultiBinary actions,
    of which each has two logits here.
    """

    stock = MaskableRecurrentPPO

    def _evaluate_actions(self, samples: Any) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        with self.policy.masked_by(samples.action_masks):
            return super()._evaluate_actions(samples)

    def _get_distribution(self, samples: Any) -> Distribution:
        with self.policy.masked_by(samples.action_masks):
            return super()._get_distribution(samples)


class MaskableRecurrentDualClipPPO(DualClip, MaskableRecurrentVariantPPO):
    __doc__ = DualClip.__doc__


class MaskableRecurrentKLPenaltyPPO(KLPenalty, MaskableRecurrentVariantPPO):
    __doc__ = KLPenalty.__doc__


class MaskableRecurrentAdaptiveClipPPO(AdaptiveClip, MaskableRecurrentVariantPPO):
    __doc__ = AdaptiveClip.__doc__
