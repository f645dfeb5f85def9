"""sb3-contrib's MaskablePPO as a host, and its named classes."""

from __future__ import annotations

from typing import Any

import torch as th
from gymnasium import spaces
from sb3_contrib import MaskablePPO
from stable_baselines3.common.distributions import Distribution
from torch.nn import functional as F

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.variants import AdaptiveClip, DualClip, KLPenalty


class MaskableVariantPPO(VariantAlgorithm, MaskablePPO):
    """sb3-contrib's MaskablePPO with any chain of terms as its surrogate; with the defaults, MaskablePPO bit for bit.

    See :class:`.algorithm.VariantAlgorithm` for the arguments beyond those of MaskablePPO. A last minibatch of one
    sample, which MaskablePPO turns into NaN, is trained on with its advantage as it is.
    """

    def _evaluate_actions(self, samples: Any) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        actions = samples.actions
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        evaluated: tuple[th.Tensor, th.Tensor, th.Tensor | None] = self.policy.evaluate_actions(
            samples.observations, actions, action_masks=samples.action_masks
        )
        return evaluated

    def _get_distribution(self, samples: Any) -> Distribution:
        distribution: Distribution = self.policy.get_distribution(samples.observations, samples.action_masks)
        return distribution

    def _value_loss(self, returns: th.Tensor, values: th.Tensor) -> th.Tensor:
        return F.mse_loss(returns, values)


class MaskableDualClipPPO(DualClip, MaskableVariantPPO):
    __doc__ = DualClip.__doc__


class MaskableKLPenaltyPPO(KLPenalty, MaskableVariantPPO):
    __doc__ = KLPenalty.__doc__


class MaskableAdaptiveClipPPO(AdaptiveClip, MaskableVariantPPO):
    __doc__ = AdaptiveClip.__doc__
