"""Action masks: dual clip on an environment with invalid actions."""

from __future__ import annotations

from sb3_contrib.common.envs import InvalidActionEnvDiscrete
from sb3_contrib.common.maskable.evaluation import evaluate_policy

from sb3_ppo_variants import MaskableDualClipPPO

STEPS = 20_000


def main() -> MaskableDualClipPPO:
    """Train, and print the mean return with masks."""
    env = InvalidActionEnvDiscrete(dim=20, n_invalid_actions=10)
    model = MaskableDualClipPPO("MlpPolicy", env, n_steps=256, dual_clip=3.0, seed=0)
    model.learn(STEPS)
    mean, _ = evaluate_policy(model, env, n_eval_episodes=5)
    print(f"mean return {mean:.1f}")
    return model


if __name__ == "__main__":
    main()
