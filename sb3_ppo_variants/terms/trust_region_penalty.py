"""A penalty on the divergence for the samples that leave the trust region."""

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Coefficient
from sb3_ppo_variants.minibatch import Minibatch
from sb3_ppo_variants.terms.trust_region import TRUST_REGION_KL, leaves_trust_region


def trust_region_penalty(
    surrogate: th.Tensor, minibatch: Minibatch, *, trust_region_kl: float, trust_region_penalty_coef: float
) -> th.Tensor:
    r"""Trust-region penalty (Truly PPO).

    .. math::

        J = r A - \begin{cases}
            \alpha\, \big(KL(\pi_{old} \| \pi_\theta) - \delta\big)
                & KL(\pi_{old} \| \pi_\theta) \ge \delta \text{ and } r A > A \\
            0 & \text{else}
        \end{cases}

    in each state, with the exact divergence. Inside the trust region, and where the ratio has moved against the
    advantage, the gradient is that of :math:`r A`; outside, :math:`\alpha` times that of the divergence is subtracted.

    Wang et al., "Truly Proximal Policy Optimization", 2019, arXiv 1903.07940, the rollback on the divergence. The
    constant :math:`\alpha \delta` has no gradient; it makes the value continuous where the divergence crosses
    :math:`\delta`.

    :param surrogate: shape ``(batch,)``
    :param trust_region_kl: :math:`\delta` in nats, summed over action dimensions, usually 0.02 to 0.05; infinity
        switches the term off
    :param trust_region_penalty_coef: :math:`\alpha`, usually 0.4 to 20; 0 switches the term off
    :return: shape ``(batch,)``
    """
    outside = leaves_trust_region(minibatch, trust_region_kl)
    return surrogate - trust_region_penalty_coef * th.where(outside, minibatch.kl() - trust_region_kl, 0.0)


def log(minibatch: Minibatch, *, trust_region_kl: float, trust_region_penalty_coef: float) -> dict[str, th.Tensor]:
    """Share of samples with a penalty, and the mean penalty over all samples."""
    outside = leaves_trust_region(minibatch, trust_region_kl)
    paid = trust_region_penalty_coef * th.where(outside, minibatch.kl() - trust_region_kl, 0.0)
    return {"trust_region_penalty_fraction": outside.float().mean(), "trust_region_penalty": paid.mean()}


TRUST_REGION_PENALTY = Term(
    "trust_region_penalty",
    trust_region_penalty,
    stage="penalty",
    coefficients=(
        TRUST_REGION_KL,
        Coefficient("trust_region_penalty_coef", default=5.0, low=0.0, finite=True, tighter="up", off=0.0),
    ),
    needs_kl=True,
    log=log,
)
