"""The clipped surrogate with a separate range for each side."""

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Coefficient
from sb3_ppo_variants.minibatch import Minibatch


def asymmetric_clip(
    surrogate: th.Tensor, minibatch: Minibatch, *, lower_clip_range: float, upper_clip_range: float
) -> th.Tensor:
    r"""Clipped surrogate with a lower and an upper range.

    .. math:: J = \min\big(r A,\ \mathrm{clip}(r, 1 - \epsilon_{low}, 1 + \epsilon_{high})\, A\big)

    Gradient with respect to :math:`r`: :math:`A`, but 0 where :math:`A > 0, r > 1 + \epsilon_{high}` or
    :math:`A < 0, r < 1 - \epsilon_{low}`. With equal ranges it is the clip term.

    Yu et al., "DAPO: An Open-Source LLM Reinforcement Learning System at Scale", 2025, arXiv 2503.14476, eq. 10. A
    higher upper range (0.2 and 0.28) keeps the entropy of language models from collapsing there: with a symmetric range
    an action of small probability gains little in absolute terms before its gradient is removed.

    :param surrogate: shape ``(batch,)``
    :param lower_clip_range: :math:`\epsilon_{low}`, usually 0.1 to 0.3, at most 1; leave the term out of the objective
        to switch it off
    :param upper_clip_range: :math:`\epsilon_{high}`, usually 0.1 to 0.4
    :return: shape ``(batch,)``
    """
    clipped = minibatch.advantages * th.clamp(minibatch.ratio, 1 - lower_clip_range, 1 + upper_clip_range)
    return th.min(surrogate, clipped)


def log(minibatch: Minibatch, *, lower_clip_range: float, upper_clip_range: float) -> dict[str, th.Tensor]:
    """Share of samples whose gradient each side removes."""
    ratio, advantages = minibatch.ratio, minibatch.advantages
    return {
        "lower_clip_fraction": ((advantages < 0) & (ratio < 1 - lower_clip_range)).float().mean(),
        "upper_clip_fraction": ((advantages > 0) & (ratio > 1 + upper_clip_range)).float().mean(),
    }


ASYMMETRIC_CLIP = Term(
    "asymmetric_clip",
    asymmetric_clip,
    stage="shape",
    coefficients=(
        Coefficient("lower_clip_range", default=0.2, low=0.0, high=1.0, tighter="down"),
        Coefficient("upper_clip_range", default=0.28, low=0.0, tighter="down"),
    ),
    log=log,
)
