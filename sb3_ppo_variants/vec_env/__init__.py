"""Vectorised environments that cost less than SB3's: see docs/vec_env.md."""

from sb3_ppo_variants.vec_env.dummy import FastDummyVecEnv
from sb3_ppo_variants.vec_env.envpool import EnvPoolVecEnv

__all__ = ["EnvPoolVecEnv", "FastDummyVecEnv"]
