"""The regularizers of the package by name, one file each."""

from sb3_ppo_variants.regularization import Regularizer
from sb3_ppo_variants.regularizers.churn import CHURN
from sb3_ppo_variants.regularizers.feature_drift import FEATURE_DRIFT

REGULARIZERS: dict[str, Regularizer] = {part.name: part for part in (CHURN, FEATURE_DRIFT)}
