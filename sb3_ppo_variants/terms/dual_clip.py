"""A floor under the surrogate of bad actions that became much more likely."""

import math
from collections.abc import Mapping
from typing import Any

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Coefficient
from sb3_ppo_variants.minibatch import Minibatch


def dual_clip(surrogate: th.Tensor, minibatch: Minibatch, *, dual_clip: float) -> th.Tensor:
    r"""Dual clip: where the advantage is negative, the surrogate is bounded below.

    .. math:: J = \begin{cases} \max(J_{clip},\ c A) & A < 0 \\ J_{clip} & A \ge 0 \end{cases}, \qquad c > 1

    Gradient with respect to :math:`r`, after the clip term and for :math:`A < 0`: 0 for :math:`r < 1 - \epsilon`,
    :math:`A` up to :math:`r = c`, and 0 beyond, where PPO's surrogate decreases without a bound. Samples with
    :math:`A \ge 0` are untouched: without that condition the constant :math:`c A` is the maximum everywhere and no good
    action is learned.

    Ye et al., "Mastering Complex Control in MOBA Games with Deep Reinforcement Learning", AAAI 2020,
    arXiv 1912.09729, eq. 5. The sign is that of the advantage in the surrogate, so of the normalised one.

    :param surrogate: shape ``(batch,)``
    :param dual_clip: :math:`c`, usually 2 to 5; infinity or leaving the term out switches it off
    :return: shape ``(batch,)``
    """
    floor = th.where(minibatch.advantages < 0, dual_clip * minibatch.advantages, -math.inf)
    return th.max(surrogate, floor)


def log(minibatch: Minibatch, *, dual_clip: float) -> dict[str, th.Tensor]:
    """Share of samples with a negative advantage and a ratio above ``c``.

    After the clip, these are the samples on which the bound acts; a run with 0 throughout is plain PPO.
    """
    acts = (minibatch.advantages < 0) & (minibatch.ratio > dual_clip)
    return {"dual_clip_fraction": acts.float().mean()}


def caution(values: Mapping[str, Any]) -> str | None:
    """Warn when the bound begins inside the clip range."""
    clip_range = values.get("clip_range")
    if clip_range is None or values["dual_clip"] > 1 + clip_range:
        return None
    return (
        f"dual_clip={values['dual_clip']} is not above 1 + clip_range = {1 + clip_range}: bad actions inside the clip "
        "range lose their gradient too; usual values are 2 to 5"
    )


DUAL_CLIP = Term(
    "dual_clip",
    dual_clip,
    stage="bound",
    coefficients=(Coefficient("dual_clip", default=3.0, low=1.0, above_low=True, tighter="down", off=math.inf),),
    log=log,
    caution=caution,
)
