"""A steep penalty on the divergence of a minibatch beyond a limit."""

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Coefficient
from sb3_ppo_variants.minibatch import Minibatch


def kl_hinge(surrogate: th.Tensor, minibatch: Minibatch, *, kl_hinge_coef: float, kl_hinge_start: float) -> th.Tensor:
    r"""Squared hinge on the KL of a minibatch.

    .. math:: J = r A - \xi\, \max\big(0,\ \overline{KL}(\pi_{old} \| \pi_\theta) - d_0\big)^2

    with :math:`\overline{KL}` the mean of the exact divergence over the minibatch. The gradient is that of the plain
    surrogate up to :math:`d_0` and grows linearly with the excess from there. It is not a limit by itself: its
    authors use it after an adaptive KL penalty, at twice the target of its rule,
    ``objective=["kl_penalty", "kl_hinge"]``, for updates that become too large before the rule has reacted.

    J. Schulman's modular_rl, 2016, later batch-ppo and TF-Agents, with the coefficient and the start below; also Heess
    et al., "Emergence of Locomotion Behaviours in Rich Environments", 2017, arXiv 1707.02286.

    :param surrogate: shape ``(batch,)``
    :param kl_hinge_coef: :math:`\xi`, usually 1000; 0 switches the term off
    :param kl_hinge_start: :math:`d_0` in nats, summed over action dimensions, usually twice the desired KL
    :return: shape ``(batch,)``
    """
    return surrogate - kl_hinge_coef * _excess(minibatch, kl_hinge_start).square()


def _excess(minibatch: Minibatch, kl_hinge_start: float) -> th.Tensor:
    return th.relu(minibatch.kl().mean() - kl_hinge_start)


def log(minibatch: Minibatch, *, kl_hinge_coef: float, kl_hinge_start: float) -> dict[str, th.Tensor]:
    """Excess of the mean divergence of a minibatch over the start of the hinge; the mean over minibatches is logged."""
    return {"kl_hinge_excess": _excess(minibatch, kl_hinge_start)}


KL_HINGE = Term(
    "kl_hinge",
    kl_hinge,
    stage="penalty",
    coefficients=(
        Coefficient("kl_hinge_coef", default=1000.0, low=0.0, finite=True, tighter="up", off=0.0),
        Coefficient("kl_hinge_start", default=0.02, low=0.0, tighter="down"),
    ),
    needs_kl=True,
    per_batch=True,
    log=log,
)
