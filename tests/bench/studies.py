"""What the tests of studies share: a study and a run as data, and the mistakes of a study file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.validation import StudyMistakes, load_study

FULL = {
    "name": "full",
    "total_timesteps": 1000,
    "seeds": 2,
    "n_envs": 2,
    "evaluation": {"every": 100, "episodes": 3, "last": 2},
    "arguments": {"n_steps": 10, "gamma": 0.9, "batch_size": 5},
    "environments": {
        "CartPole-v1": {"n_envs": 4, "arguments": {"n_steps": 20, "gamma": 0.8}},
        "Pendulum-v1": {"total_timesteps": 5000, "normalize": {"norm_reward": False}, "policy": "CustomPolicy"},
    },
    "arms": {
        "late": {"algorithm": "stable_baselines3.PPO", "arguments": {"gamma": 0.7}},
        "other": {"algorithm": "stable_baselines3.A2C", "policy": "OtherPolicy"},
    },
}
RUN = Run(
    arm="mine",
    algorithm="stable_baselines3.PPO",
    policy="MlpPolicy",
    environment="CartPole-v1",
    env_kwargs={},
    seed=3,
    total_timesteps=64,
    n_envs=2,
    normalize=None,
    evaluation_every=32,
    evaluation_episodes=1,
    arguments={"device": "cpu", "n_steps": 16, "batch_size": 16},
    defaults={},
)


def mistakes(path: Path) -> list[str]:
    with pytest.raises(StudyMistakes) as caught:
        load_study(path)
    return caught.value.mistakes
