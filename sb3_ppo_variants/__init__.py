"""PPO variants for Stable-Baselines3: any limit on the policy update, as drop-in classes."""

from importlib.metadata import version

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Coefficient, Number, Option
from sb3_ppo_variants.feedback import Rule
from sb3_ppo_variants.loop.hook import UpdateHook
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
from sb3_ppo_variants.minibatch import Minibatch
from sb3_ppo_variants.policies import (
    BinnedCnnPolicy,
    BinnedMlpPolicy,
    BinnedMultiInputPolicy,
    RegularizedCnnPolicy,
    RegularizedMlpPolicy,
    RegularizedMultiInputPolicy,
)
from sb3_ppo_variants.ppo import AdaptiveClipPPO, DualClipPPO, KLPenaltyPPO, VariantPPO
from sb3_ppo_variants.recurrent import (
    RecurrentAdaptiveClipPPO,
    RecurrentDualClipPPO,
    RecurrentKLPenaltyPPO,
    RecurrentVariantPPO,
)
from sb3_ppo_variants.registration import register
from sb3_ppo_variants.regularization import Regularizer
from sb3_ppo_variants.resume import ResumableEnv, ResumeCallback, resume_model
from sb3_ppo_variants.schedules import ExponentialDecay, LinearDecay
from sb3_ppo_variants.stopping import Stop

__version__ = version("sb3-ppo-variants")

__all__ = [
    "AdaptiveClipPPO",
    "BinnedCnnPolicy",
    "BinnedMlpPolicy",
    "BinnedMultiInputPolicy",
    "Coefficient",
    "DualClipPPO",
    "ExponentialDecay",
    "KLPenaltyPPO",
    "LinearDecay",
    "MaskableAdaptiveClipPPO",
    "MaskableDualClipPPO",
    "MaskableKLPenaltyPPO",
    "MaskableRecurrentAdaptiveClipPPO",
    "MaskableRecurrentDualClipPPO",
    "MaskableRecurrentKLPenaltyPPO",
    "MaskableRecurrentVariantPPO",
    "MaskableVariantPPO",
    "Minibatch",
    "Number",
    "Option",
    "RecurrentAdaptiveClipPPO",
    "RecurrentDualClipPPO",
    "RecurrentKLPenaltyPPO",
    "RecurrentVariantPPO",
    "RegularizedCnnPolicy",
    "RegularizedMlpPolicy",
    "RegularizedMultiInputPolicy",
    "Regularizer",
    "ResumableEnv",
    "ResumeCallback",
    "Rule",
    "Stop",
    "Term",
    "UpdateHook",
    "VariantPPO",
    "__version__",
    "register",
    "resume_model",
]
