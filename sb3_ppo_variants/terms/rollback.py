"""The clipped surrogate with a slope back into the clip range."""

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import CLIP_RANGE, Coefficient
from sb3_ppo_variants.minibatch import Minibatch


def rollback(surrogate: th.Tensor, minibatch: Minibatch, *, clip_range: float, rollback_slope: float) -> th.Tensor:
    r"""Rollback (PPO-RB): beyond the clip range the slope is reversed, not removed.

    .. math::

        J = \min\big(r A,\ F(r)\, A\big), \qquad
        F(r) = \begin{cases}
            -\alpha r + (1 + \alpha)(1 - \epsilon) & r \le 1 - \epsilon \\
            -\alpha r + (1 + \alpha)(1 + \epsilon) & r \ge 1 + \epsilon \\
            r & \text{else}
        \end{cases}

    Gradient with respect to :math:`r`: :math:`A`, but :math:`-\alpha A` where the step already went far enough in the
    direction of the advantage, :math:`A > 0, r > 1 + \epsilon` or :math:`A < 0, r < 1 - \epsilon`: such a
    ratio is pulled back. :math:`\alpha = 0` is the clip term; a negative :math:`\alpha` keeps a part of the gradient.

    Wang et al., "Truly Proximal Policy Optimization", UAI 2019, arXiv 1903.07940, eq. 11.

    :param surrogate: shape ``(batch,)``
    :param clip_range: :math:`\epsilon`, usually 0.1 to 0.3
    :param rollback_slope: :math:`\alpha`, usually 0.02 to 0.3; -1 switches the term off
    :return: shape ``(batch,)``
    """
    ratio = minibatch.ratio
    excess = ratio - th.clamp(ratio, 1 - clip_range, 1 + clip_range)
    return th.min(surrogate, minibatch.advantages * (ratio - (1 + rollback_slope) * excess))


def log(minibatch: Minibatch, *, clip_range: float, rollback_slope: float) -> dict[str, th.Tensor]:
    """Share of samples that are pulled back."""
    change = minibatch.ratio - 1
    pulled = (change.abs() > clip_range) & (change * minibatch.advantages > 0)
    return {"rollback_fraction": pulled.float().mean()}


ROLLBACK = Term(
    "rollback",
    rollback,
    stage="shape",
    coefficients=(
        CLIP_RANGE,
        Coefficient("rollback_slope", default=0.3, low=-1.0, finite=True, tighter="up", off=-1.0),
    ),
    log=log,
)
