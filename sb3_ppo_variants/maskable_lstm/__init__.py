"""Action masks and LSTM together, made of sb3-contrib's parts: policies, buffers, the algorithm, its evaluation."""

from sb3_ppo_variants.maskable_lstm.evaluation import MaskableRecurrentEvalCallback, evaluate_policy
from sb3_ppo_variants.maskable_lstm.policies import CnnLstmPolicy, MlpLstmPolicy, MultiInputLstmPolicy
from sb3_ppo_variants.maskable_lstm.ppo import MaskableRecurrentPPO

__all__ = [
    "CnnLstmPolicy",
    "MaskableRecurrentEvalCallback",
    "MaskableRecurrentPPO",
    "MlpLstmPolicy",
    "MultiInputLstmPolicy",
    "evaluate_policy",
]
