"""sb3-contrib's MaskablePPO as a host, and its named classes."""

from __future__ import annotations

from typing import Any

import torch as th
from sb3_contrib import MaskablePPO
from stable_baselines3.common.distributions import Distribution

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.variants import AdaptiveClip, DualClip, KLPenalty


class MaskableVariantPPO(VariantAlgorithm, MaskablePPO):
    """sb3-contrib's MaskablePPO with any chain of terms as its surrogate; with the defaults, MaskablePPO bit for bit.

    See :class:`.algorithm.VariantAlgorithm` for the arguments beyond those of MaskablePPO. A last minibatch of one
    sample, which MaskablePPO turns into NaN, is trained on with its advantage as it is.
    """

    stock = MaskablePPO

    def _evaluate_actions(self, samples: Any) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        masks = samples.action_masks
        return self.policy.evaluate_actions(samples.observations, self._actions(samples), action_masks=masks)

    def _get_distribution(self, samples: Any) -> Distribution:
        return self.policy.get_distribution(samples.observations, samples.action_masks)


class MaskableDualClipPPO(DualClip, MaskableVariantPPO):
    __doc__ = DualClip.__doc__


class MaskableKLPenaltyPPO(KLPenalty, MaskableVariantPPO):
    __doc__ = KLPenalty.__doc__


class MaskableAdaptiveClipPPO(AdaptiveClip, MaskableVariantPPO):
    __doc__ = AdaptiveClip.__doc__
