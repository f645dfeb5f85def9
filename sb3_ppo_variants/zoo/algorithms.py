"""The names under which RL Zoo knows the variants."""

from __future__ import annotations

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ppo_variants.maskable import (
    MaskableAdaptiveClipPPO,
    MaskableDualClipPPO,
    MaskableKLPenaltyPPO,
    MaskableVariantPPO,
)
from sb3_ppo_variants.maskable_recurrent import (
    MaskableRecurrentAdaptiveClipPPO,
    MaskableRecurrentDualClipPPO,
    MaskableRecurrentKLPenaltyPPO,
    MaskableRecurrentVariantPPO,
)
from sb3_ppo_variants.ppo import AdaptiveClipPPO, DualClipPPO, KLPenaltyPPO, VariantPPO
from sb3_ppo_variants.recurrent import (
    RecurrentAdaptiveClipPPO,
    RecurrentDualClipPPO,
    RecurrentKLPenaltyPPO,
    RecurrentVariantPPO,
)

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {
    "variant_ppo": VariantPPO,
    "dual_clip_ppo": DualClipPPO,
    "kl_penalty_ppo": KLPenaltyPPO,
    "adaptive_clip_ppo": AdaptiveClipPPO,
    "maskable_variant_ppo": MaskableVariantPPO,
    "maskable_dual_clip_ppo": MaskableDualClipPPO,
    "maskable_kl_penalty_ppo": MaskableKLPenaltyPPO,
    "maskable_adaptive_clip_ppo": MaskableAdaptiveClipPPO,
    "recurrent_variant_ppo": RecurrentVariantPPO,
    "recurrent_dual_clip_ppo": RecurrentDualClipPPO,
    "recurrent_kl_penalty_ppo": RecurrentKLPenaltyPPO,
    "recurrent_adaptive_clip_ppo": RecurrentAdaptiveClipPPO,
    "maskable_recurrent_variant_ppo": MaskableRecurrentVariantPPO,
    "maskable_recurrent_dual_clip_ppo": MaskableRecurrentDualClipPPO,
    "maskable_recurrent_kl_penalty_ppo": MaskableRecurrentKLPenaltyPPO,
    "maskable_recurrent_adaptive_clip_ppo": MaskableRecurrentAdaptiveClipPPO,
}


def host(name: str) -> str:
    """The stock algorithm under a variant: ``"ppo"``, ``"maskable"``, ``"recurrent"`` or ``"maskable_recurrent"``.

    :param name: a key of :data:`ALGORITHMS`
    """
    return next((host for host in ("maskable_recurrent", "maskable", "recurrent") if name.startswith(host)), "ppo")
