"""An LSTM policy whose clip range follows the KL."""

from __future__ import annotations

from sb3_ppo_variants import RecurrentAdaptiveClipPPO

STEPS = 50_000


def main() -> RecurrentAdaptiveClipPPO:
    """Train on CartPole-v1, and print the final clip range."""
    model = RecurrentAdaptiveClipPPO("MlpLstmPolicy", "CartPole-v1", n_steps=128, desired_kl=0.01, seed=0)
    model.learn(STEPS)
    print(f"clip range {model.logger.name_to_value['train/clip_range']:.3f}")
    return model


if __name__ == "__main__":
    main()
