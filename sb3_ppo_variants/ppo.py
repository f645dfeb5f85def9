"""PPO as a host, and its named classes."""

from __future__ import annotations

from typing import Any, ClassVar

import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import BasePolicy

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.policies import POLICY_ALIASES
from sb3_ppo_variants.variants import AdaptiveClip, DualClip, KLPenalty


class VariantPPO(VariantAlgorithm, PPO):
    """SB3's PPO with any chain of terms as its surrogate; with the defaults, PPO bit for bit.

    See :class:`.algorithm.VariantAlgorithm` for the arguments beyond those of PPO, and :mod:`.policies` for policies
    beyond SB3's.
    """

    stock = PPO
    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = PPO.policy_aliases | POLICY_ALIASES

    def _evaluate_actions(self, samples: Any) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        return self.policy.evaluate_actions(samples.observations, self._actions(samples))

    def _get_distribution(self, samples: Any) -> Distribution:
        return self.policy.get_distribution(samples.observations)


class DualClipPPO(DualClip, VariantPPO):
    __doc__ = DualClip.__doc__


class KLPenaltyPPO(KLPenalty, VariantPPO):
    __doc__ = KLPenalty.__doc__


class AdaptiveClipPPO(AdaptiveClip, VariantPPO):
    __doc__ = AdaptiveClip.__doc__
