"""A custom term: a penalty on the squared logarithm of the ratio."""

from __future__ import annotations

import torch as th

from sb3_ppo_variants import Coefficient, Minibatch, Term, VariantPPO

STEPS = 20_000


def log_penalty(surrogate: th.Tensor, minibatch: Minibatch, *, log_penalty_coef: float) -> th.Tensor:
    """The surrogate minus ``log_penalty_coef * log(r) ** 2``, for each sample."""
    return surrogate - log_penalty_coef * minibatch.log_ratio**2


LOG_PENALTY = Term(
    "log_penalty",
    log_penalty,
    stage="penalty",
    coefficients=(Coefficient("log_penalty_coef", default=1.0, low=0.0, tighter="up"),),
)


def main() -> VariantPPO:
    """Train on CartPole-v1 with the term in place of the clip, its coefficient falling to a floor."""
    model = VariantPPO(
        "MlpPolicy", "CartPole-v1", n_steps=256, seed=0, objective=[LOG_PENALTY], log_penalty_coef="lin_2_0.5"
    )
    return model.learn(STEPS)


if __name__ == "__main__":
    main()
