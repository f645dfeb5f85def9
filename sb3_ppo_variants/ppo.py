"""PPO as a host, and its named classes."""

from __future__ import annotations

from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.distributions import Distribution
from torch.nn import functional as F

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.variants import AdaptiveClip, DualClip, KLPenalty


class VariantPPO(VariantAlgorithm, PPO):
    """SB3's PPO with any chain of terms as its surrogate; with the defaults, PPO bit for bit.

    See :class:`.algorithm.VariantAlgorithm` for the arguments beyond those of PPO.
    """

    def _evaluate_actions(self, samples: Any) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        actions = samples.actions
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        evaluated: tuple[th.Tensor, th.Tensor, th.Tensor | None] = self.policy.evaluate_actions(
            samples.observations, actions
        )
        return evaluated

    def _get_distribution(self, samples: Any) -> Distribution:
        distribution: Distribution = self.policy.get_distribution(samples.observations)
        return distribution

    def _value_loss(self, returns: th.Tensor, values: th.Tensor) -> th.Tensor:
        return F.mse_loss(returns, values)


class DualClipPPO(DualClip, VariantPPO):
    __doc__ = DualClip.__doc__


class KLPenaltyPPO(KLPenalty, VariantPPO):
    __doc__ = KLPenalty.__doc__


class AdaptiveClipPPO(AdaptiveClip, VariantPPO):
    __doc__ = AdaptiveClip.__doc__
