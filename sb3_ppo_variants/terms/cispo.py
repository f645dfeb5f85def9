"""The policy gradient with a clipped importance weight."""

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Coefficient
from sb3_ppo_variants.minibatch import Minibatch


def cispo(
    surrogate: th.Tensor, minibatch: Minibatch, *, cispo_lower_range: float, cispo_upper_range: float
) -> th.Tensor:
    r"""CISPO: the importance weight is clipped, not the update.

    .. math::

        \nabla J = w\, A\, \nabla \log \pi_\theta(a|s), \qquad
        w = \mathrm{clip}(r, 1 - \epsilon_{low}, 1 + \epsilon_{high})

    Gradient with respect to :math:`\log \pi_\theta`: :math:`r A` within the range, as that of :math:`r A` is, and the
    constants :math:`(1 - \epsilon_{low}) A` below and :math:`(1 + \epsilon_{high}) A` above it, for either sign of the
    advantage. With respect to :math:`r` it is :math:`A` within the range and :math:`w A / r` outside. It has no kink,
    and no sample loses its gradient: nothing ends the push of a sample that has gone far enough. The range bounds the
    weight and not the policy, so add a stop, ``stop={"kl": 0.02}``, or a penalty.

    MiniMax, "MiniMax-M1: Scaling Test-Time Compute Efficiently with Lightning Attention", 2025, arXiv 2506.13585,
    eq. 4 and 5, where the advantages are those of a group of responses. The value in the paper is
    :math:`w A \log \pi_\theta` with :math:`w` as a constant; here it is :math:`w A`, so that it is :math:`A` at the old
    policy, :math:`r A` within the range, and a surrogate that later terms can bound. The gradient is the same.

    :param surrogate: shape ``(batch,)``
    :param cispo_lower_range: :math:`\epsilon_{low}`, at most 1, which is no bound, as in the paper
    :param cispo_upper_range: :math:`\epsilon_{high}`, the one that the paper tunes; 0.28 in public code for language
        models; with infinity, and 1 for the lower one, it is the plain surrogate; leave the term out of the objective
        to switch it off
    :return: shape ``(batch,)``
    """
    weight = th.clamp(minibatch.ratio, 1 - cispo_lower_range, 1 + cispo_upper_range).detach()
    # The bracket is 1 and has the gradient of the log-probability, of which the log-ratio differs by a constant.
    weighted = minibatch.advantages * weight * (1 + (minibatch.log_ratio - minibatch.log_ratio.detach()))
    return th.where(weight == minibatch.ratio, surrogate, weighted)


def log(minibatch: Minibatch, *, cispo_lower_range: float, cispo_upper_range: float) -> dict[str, th.Tensor]:
    """Share of samples whose weight is clipped."""
    ratio = minibatch.ratio
    outside = (ratio < 1 - cispo_lower_range) | (ratio > 1 + cispo_upper_range)
    return {"cispo_fraction": outside.float().mean()}


CISPO = Term(
    "cispo",
    cispo,
    stage="shape",
    coefficients=(
        Coefficient("cispo_lower_range", default=1.0, low=0.0, high=1.0, tighter="down"),
        Coefficient("cispo_upper_range", default=0.28, low=0.0, tighter="down"),
    ),
    log=log,
)
