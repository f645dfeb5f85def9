"""What happens around the steps of an update, one file each."""

from sb3_ppo_variants.hooks.outer_step import OuterStep
from sb3_ppo_variants.hooks.recompute_advantages import RecomputeAdvantages
from sb3_ppo_variants.hooks.reset_adam_step import ResetAdamStep
from sb3_ppo_variants.hooks.rpo_noise import RPONoise
from sb3_ppo_variants.hooks.vf_learning_rate import CriticLearningRate
from sb3_ppo_variants.loop.hook import UpdateHook

# By the argument that switches it on, in this order: the block of the first is the outermost.
HOOKS: dict[str, type[UpdateHook]] = {
    "outer_step": OuterStep,
    "reset_adam_step": ResetAdamStep,
    "vf_learning_rate": CriticLearningRate,
    "recompute_advantages": RecomputeAdvantages,
    "rpo_noise": RPONoise,
}
