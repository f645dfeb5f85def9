"""The clipped surrogate of PPO."""

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import CLIP_RANGE
from sb3_ppo_variants.minibatch import Minibatch


def clip(surrogate: th.Tensor, minibatch: Minibatch, *, clip_range: float) -> th.Tensor:
    r"""Clipped surrogate.

    .. math:: J = \min\big(r A,\ \mathrm{clip}(r, 1 - \epsilon, 1 + \epsilon)\, A\big)

    Gradient with respect to :math:`r`: :math:`A`, but 0 where the step already went far enough in the direction of the
    advantage, :math:`A > 0, r > 1 + \epsilon` or :math:`A < 0, r < 1 - \epsilon`. A ratio outside the range on the
    wrong side keeps its gradient, so that it can come back.

    Schulman et al., "Proximal Policy Optimization Algorithms", 2017, arXiv 1707.06347, eq. 7.

    :param surrogate: shape ``(batch,)``
    :param clip_range: :math:`\epsilon`, usually 0.1 to 0.3; leave the term out of the objective to switch it off
    :return: shape ``(batch,)``
    """
    clipped = minibatch.advantages * th.clamp(minibatch.ratio, 1 - clip_range, 1 + clip_range)
    return th.min(surrogate, clipped)


def log(minibatch: Minibatch, *, clip_range: float) -> dict[str, th.Tensor]:
    """The two parts of ``train/clip_fraction``: ratios outside the range with and without their gradient."""
    change = minibatch.ratio - 1
    outside = th.abs(change) > clip_range
    removed = outside & (change * minibatch.advantages > 0)
    return {
        "clip_fraction_removed": removed.float().mean(),
        "clip_fraction_alive": (outside & ~removed).float().mean(),
    }


CLIP = Term("clip", clip, stage="shape", coefficients=(CLIP_RANGE,), log=log)
