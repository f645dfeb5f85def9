"""The public names, each with its module; :mod:`sb3_ppo_variants` imports a module when a name of it is first used."""

from .chain import Term
from .coefficients import Coefficient, Number, Option
from .feedback import Rule
from .loop.hook import UpdateHook
from .maskable import (
    MaskableAdaptiveClipPPO,
    MaskableDualClipPPO,
    MaskableKLPenaltyPPO,
    MaskableVariantPPO,
)
from .maskable_recurrent import (
    MaskableRecurrentAdaptiveClipPPO,
    MaskableRecurrentDualClipPPO,
    MaskableRecurrentKLPenaltyPPO,
    MaskableRecurrentVariantPPO,
)
from .minibatch import Minibatch
from .policies import (
    BinnedCnnPolicy,
    BinnedMlpPolicy,
    BinnedMultiInputPolicy,
    RegularizedCnnPolicy,
    RegularizedMlpPolicy,
    RegularizedMultiInputPolicy,
)
from .ppo import AdaptiveClipPPO, DualClipPPO, KLPenaltyPPO, VariantPPO
from .recurrent import (
    RecurrentAdaptiveClipPPO,
    RecurrentDualClipPPO,
    RecurrentKLPenaltyPPO,
    RecurrentVariantPPO,
)
from .registration import register
from .regularization import Regularizer
from .resume import ResumableEnv, ResumeCallback, resume_model
from .schedules import ExponentialDecay, LinearDecay
from .stopping import Stop

__version__: str

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
