"""A separate clip range for each sample: as far as a trust region lets the probability of its action move."""

import math

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import CLIP_RANGE, Coefficient
from sb3_ppo_variants.kl import Distributions
from sb3_ppo_variants.kl_ball import ratio_bounds
from sb3_ppo_variants.minibatch import Minibatch

LOWER, UPPER = "trust_region_clip_lower", "trust_region_clip_upper"


def trust_region_clip(
    surrogate: th.Tensor, minibatch: Minibatch, *, trust_region_clip_kl: float, clip_range: float
) -> th.Tensor:
    r"""Trust region-guided clip (TRGPPO).

    .. math::

        J = \min\big(r A,\ \mathrm{clip}(r,\ \min(l_{s,a}, 1 - \epsilon),\ \max(u_{s,a}, 1 + \epsilon))\, A\big)

    .. math::

        u_{s,a} = \max_\pi \left\{ \frac{\pi(a|s)}{\pi_{old}(a|s)} :
            KL\big(\pi_{old}(\cdot|s) \,\|\, \pi(\cdot|s)\big) \le \delta \right\}

    and :math:`l_{s,a}` the minimum. Gradient with respect to :math:`r`: :math:`A`, but 0 beyond the bound in the
    direction of the advantage. The bounds are wide for an action of small probability, to which PPO allows the same
    relative gain as to any other, and never narrower than PPO's. They are exact over all distributions of the policy's
    family, and are computed once per rollout (:mod:`.kl_ball`).

    Wang et al., "Trust Region-Guided Proximal Policy Optimization", NeurIPS 2019, arXiv 1901.10314. For a Gaussian
    policy the authors mean to choose :math:`\delta` such that the narrowest upper bound is :math:`1 + \epsilon`:
    :math:`\delta = \tfrac d2 (e^v - 1 - v)` with :math:`v = \tfrac2d \log(1 + \epsilon)`, so 0.038 for one action
    dimension, 0.0057 for six and 0.0020 for seventeen at :math:`\epsilon = 0.2`. That is with the sign of :math:`v` put
    right: their code has the other one, which gives less, 0.0295 for one dimension.

    :param surrogate: shape ``(batch,)``
    :param trust_region_clip_kl: :math:`\delta` in nats, summed over action dimensions, usually 0.001 to 0.05; 0 is the
        clip term, infinity switches the term off
    :param clip_range: :math:`\epsilon`, the narrowest range
    :return: shape ``(batch,)``
    """
    clipped = th.clamp(minibatch.ratio, minibatch.prepared[LOWER], minibatch.prepared[UPPER])
    return th.min(surrogate, minibatch.advantages * clipped)


def prepare(
    old: Distributions, actions: th.Tensor, *, trust_region_clip_kl: float, clip_range: float
) -> dict[str, th.Tensor]:
    """The bounds of every step of the rollout.

    :param old: the distributions of the old policy
    :param actions: taken, shape ``(n, action_dim)``
    :return: each of shape ``(n,)``
    """
    lower, upper = ratio_bounds(old, actions, trust_region_clip_kl)
    return {LOWER: lower.clamp(max=1 - clip_range), UPPER: upper.clamp(min=1 + clip_range)}


def log(minibatch: Minibatch, *, trust_region_clip_kl: float, clip_range: float) -> dict[str, th.Tensor]:
    """The mean bounds, and the share of samples whose gradient they remove."""
    lower, upper = minibatch.prepared[LOWER], minibatch.prepared[UPPER]
    ratio, advantages = minibatch.ratio, minibatch.advantages
    removed = ((advantages > 0) & (ratio > upper)) | ((advantages < 0) & (ratio < lower))
    return {LOWER: lower.mean(), UPPER: upper.mean(), "trust_region_clip_fraction": removed.float().mean()}


TRUST_REGION_CLIP = Term(
    "trust_region_clip",
    trust_region_clip,
    stage="shape",
    coefficients=(
        Coefficient("trust_region_clip_kl", default=0.02, low=0.0, tighter="down", off=math.inf),
        CLIP_RANGE,
    ),
    prepare=prepare,
    log=log,
)
