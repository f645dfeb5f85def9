"""A clip that is triggered by the divergence in place of the ratio."""

import math

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Coefficient
from sb3_ppo_variants.minibatch import Minibatch

TRUST_REGION_KL = Coefficient("trust_region_kl", default=0.025, low=0.0, above_low=True, tighter="down", off=math.inf)


def leaves_trust_region(minibatch: Minibatch, trust_region_kl: float) -> th.Tensor:
    r"""Which samples are outside the trust region and move further out.

    :math:`KL(\pi_{old}(\cdot|s) \,\|\, \pi_\theta(\cdot|s)) \ge \delta` and :math:`r A > A`: the step is in the
    direction of the advantage. Without the second condition a policy that has left cannot come back.

    :param trust_region_kl: :math:`\delta`, in nats
    :return: boolean, shape ``(batch,)``
    """
    improves = minibatch.ratio * minibatch.advantages > minibatch.advantages
    return (minibatch.kl() >= trust_region_kl) & improves


def trust_region(
    surrogate: th.Tensor, minibatch: Minibatch, *, trust_region_kl: float, trust_region_slope: float
) -> th.Tensor:
    r"""Trust-region clip (TR-PPO) and its rollback (TR-PPO-RB).

    .. math::

        \nabla_r J = \begin{cases}
            -\alpha A & KL(\pi_{old} \| \pi_\theta) \ge \delta \text{ and } r A > A \\
            A & \text{else}
        \end{cases}

    in each state, with the exact divergence. The gradient of a sample outside the trust region is removed
    (:math:`\alpha = 0`, TR-PPO) or reversed (:math:`\alpha > 0`, TR-PPO-RB) where its step is in the direction of the
    advantage; on the other side it stays :math:`A`. The value is :math:`r A` everywhere.

    Wang et al., "Truly Proximal Policy Optimization", UAI 2019, arXiv 1903.07940, eq. 13 to 16. The trigger is that
    of the authors' code. Read literally, the minimum of :math:`r A` and :math:`-\alpha r A` in eq. 16 has other
    gradients: for :math:`A > 0` it would push every ratio outside the region down, also those below 1, and for
    :math:`A < 0` it would never roll back.

    :param surrogate: shape ``(batch,)``
    :param trust_region_kl: :math:`\delta` in nats, summed over action dimensions, usually 0.02 to 0.05; infinity
        switches the term off
    :param trust_region_slope: :math:`\alpha`, usually 0 (TR-PPO) or 0.05 to 0.1 (TR-PPO-RB)
    :return: shape ``(batch,)``
    """
    ratio = minibatch.ratio
    turned = minibatch.advantages * ((1 + trust_region_slope) * ratio.detach() - trust_region_slope * ratio)
    return th.where(leaves_trust_region(minibatch, trust_region_kl), turned, surrogate)


def log(minibatch: Minibatch, *, trust_region_kl: float, trust_region_slope: float) -> dict[str, th.Tensor]:
    """Share of samples whose gradient is removed or reversed."""
    return {"trust_region_fraction": leaves_trust_region(minibatch, trust_region_kl).float().mean()}


TRUST_REGION = Term(
    "trust_region",
    trust_region,
    stage="shape",
    coefficients=(TRUST_REGION_KL, Coefficient("trust_region_slope", default=0.0, low=0.0, finite=True, tighter="up")),
    needs_kl=True,
    log=log,
)
