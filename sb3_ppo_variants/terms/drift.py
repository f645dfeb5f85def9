"""The drift function that a search over objectives found."""

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Coefficient
from sb3_ppo_variants.minibatch import Minibatch


def drift(
    surrogate: th.Tensor, minibatch: Minibatch, *, positive_drift_scale: float, negative_drift_scale: float
) -> th.Tensor:
    r"""Drift of Discovered Policy Optimisation.

    .. math::

        J = r A - \begin{cases}
            \mathrm{relu}\big((r - 1) A - \alpha \tanh((r - 1) A / \alpha)\big) & A \ge 0 \\
            \mathrm{relu}\big(A \log r - \beta \tanh(A \log r / \beta)\big) & A < 0
        \end{cases}

    For :math:`A > 0` the gradient with respect to :math:`r` is :math:`A` below 1 and :math:`A / \cosh^2((r - 1) A /
    \alpha)` above: it decays and never changes sign. For :math:`A < 0` it is :math:`A` above 1; below,
    :math:`A - \tfrac Ar \tanh^2(A \log r / \beta)` decays and then changes sign, so that a small ratio is pulled back.

    Lu et al., "Discovered Policy Optimisation", NeurIPS 2022, arXiv 2210.05639. The scales are in units of the
    advantage: normalise it.

    :param surrogate: shape ``(batch,)``
    :param positive_drift_scale: :math:`\alpha`, 2 in the paper; leave the term out of the objective to switch it off
    :param negative_drift_scale: :math:`\beta`, 0.6 in the paper
    :return: shape ``(batch,)``
    """
    return surrogate - _drift(minibatch, positive_drift_scale, negative_drift_scale)


def _drift(minibatch: Minibatch, positive_scale: float, negative_scale: float) -> th.Tensor:
    advantages = minibatch.advantages
    above, below = (minibatch.ratio - 1) * advantages, minibatch.log_ratio * advantages
    positive = above - positive_scale * th.tanh(above / positive_scale)
    negative = below - negative_scale * th.tanh(below / negative_scale)
    return th.relu(th.where(advantages >= 0, positive, negative))


def log(minibatch: Minibatch, *, positive_drift_scale: float, negative_drift_scale: float) -> dict[str, th.Tensor]:
    """The mean drift."""
    return {"drift": _drift(minibatch, positive_drift_scale, negative_drift_scale).mean()}


DRIFT = Term(
    "drift",
    drift,
    stage="shape",
    coefficients=(
        Coefficient("positive_drift_scale", default=2.0, low=0.0, above_low=True, finite=True, tighter="down"),
        Coefficient("negative_drift_scale", default=0.6, low=0.0, above_low=True, finite=True, tighter="down"),
    ),
    log=log,
)
