"""A parabola around the old policy in place of a clip."""

import math

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Coefficient
from sb3_ppo_variants.minibatch import Minibatch


def spo(surrogate: th.Tensor, minibatch: Minibatch, *, spo_range: float) -> th.Tensor:
    r"""Simple Policy Optimization.

    .. math:: J = r A - \frac{|A|}{2 \epsilon} (r - 1)^2

    Gradient with respect to :math:`r`: :math:`A - |A| (r - 1) / \epsilon`. There is no kink and no region without a
    gradient; the maximum is at :math:`r = 1 + \epsilon` for :math:`A > 0` and at :math:`1 - \epsilon` for
    :math:`A < 0`, and a ratio beyond it is pulled back. A single large ratio dominates the gradient of its minibatch.

    Xie et al., "Simple Policy Optimization", ICML 2025, arXiv 2401.16025, from version 8 on; the earlier preprints of
    that number are another algorithm.

    :param surrogate: shape ``(batch,)``
    :param spo_range: :math:`\epsilon`, usually 0.2; unlike with a clip range the optimum of a sample is at this
        distance from 1; infinity switches the term off
    :return: shape ``(batch,)``
    """
    return surrogate - minibatch.advantages.abs() / (2 * spo_range) * (minibatch.ratio - 1).square()


def log(minibatch: Minibatch, *, spo_range: float) -> dict[str, th.Tensor]:
    """The mean of the quadratic penalty, and the share of samples beyond their optimum."""
    change, advantages = minibatch.ratio - 1, minibatch.advantages
    penalty = advantages.abs() / (2 * spo_range) * change.square()
    beyond = (change.abs() > spo_range) & (change * advantages > 0)
    return {"spo_penalty": penalty.mean(), "spo_fraction_beyond": beyond.float().mean()}


SPO = Term(
    "spo",
    spo,
    stage="shape",
    coefficients=(Coefficient("spo_range", default=0.2, low=0.0, above_low=True, tighter="down", off=math.inf),),
    log=log,
)
