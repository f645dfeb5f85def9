"""Policies beside those of SB3: binned actions for a Box, and networks with layer normalisation."""

from sb3_ppo_variants.policies.binned import BinnedCnnPolicy, BinnedMlpPolicy, BinnedMultiInputPolicy, BinnedPolicy
from sb3_ppo_variants.policies.regularized import (
    RegularizedCnnPolicy,
    RegularizedMlpPolicy,
    RegularizedMultiInputPolicy,
    RegularizedNetworks,
)

# What SB3's PPO, and hosts with its policies, may be given by name.
POLICY_ALIASES = {
    "BinnedMlpPolicy": BinnedMlpPolicy,
    "BinnedCnnPolicy": BinnedCnnPolicy,
    "BinnedMultiInputPolicy": BinnedMultiInputPolicy,
    "RegularizedMlpPolicy": RegularizedMlpPolicy,
    "RegularizedCnnPolicy": RegularizedCnnPolicy,
    "RegularizedMultiInputPolicy": RegularizedMultiInputPolicy,
}

__all__ = [
    "POLICY_ALIASES",
    "BinnedCnnPolicy",
    "BinnedMlpPolicy",
    "BinnedMultiInputPolicy",
    "BinnedPolicy",
    "RegularizedCnnPolicy",
    "RegularizedMlpPolicy",
    "RegularizedMultiInputPolicy",
    "RegularizedNetworks",
]
