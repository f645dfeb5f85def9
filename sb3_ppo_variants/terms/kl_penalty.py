"""A penalty on the divergence from the old policy."""

from collections.abc import Mapping
from typing import Any

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Coefficient, Option
from sb3_ppo_variants.kl import DIRECTIONS, ESTIMATORS, Direction, Estimator, estimate_kl
from sb3_ppo_variants.minibatch import Minibatch


def kl_penalty(
    surrogate: th.Tensor, minibatch: Minibatch, *, kl_coef: float, kl_direction: Direction, kl_estimator: Estimator
) -> th.Tensor:
    r"""KL penalty.

    .. math:: J = r A - \beta\, KL\big(\pi_{old}(\cdot|s) \,\|\, \pi_\theta(\cdot|s)\big)

    The gradient of the penalty is 0 at the old policy and grows with the distance from it, on both sides: there is no
    kink, and no sample loses its gradient.

    Schulman et al., "Proximal Policy Optimization Algorithms", 2017, arXiv 1707.06347, eq. 8 (where :math:`\beta`
    is adapted); the reverse direction as in Hsu et al., "Revisiting Design Choices in PPO", 2020, arXiv 2009.10897.

    :param surrogate: shape ``(batch,)``
    :param kl_coef: :math:`\beta`, usually 0.3 to 10 with normalised advantages; 0 switches the term off
    :param kl_direction: ``"forward"`` for KL(old || new), ``"reverse"`` for KL(new || old)
    :param kl_estimator: ``"exact"``, or a sampled estimate from the action taken, see :func:`.kl.estimate_kl`
    :return: shape ``(batch,)``
    """
    return surrogate - kl_coef * _divergence(minibatch, kl_direction, kl_estimator)


def _divergence(minibatch: Minibatch, direction: Direction, estimator: Estimator) -> th.Tensor:
    if estimator == "exact":
        return minibatch.kl(direction)
    return estimate_kl(minibatch.log_ratio, estimator, direction)


def log(
    minibatch: Minibatch, *, kl_coef: float, kl_direction: Direction, kl_estimator: Estimator
) -> dict[str, th.Tensor]:
    """The mean penalty, coefficient included, over all minibatches of the update."""
    return {"kl_penalty": kl_coef * _divergence(minibatch, kl_direction, kl_estimator).mean()}


def needs_kl(values: Mapping[str, Any]) -> bool:
    """Whether the divergence is the exact one."""
    return bool(values["kl_estimator"] == "exact")


KL_PENALTY = Term(
    "kl_penalty",
    kl_penalty,
    stage="penalty",
    coefficients=(Coefficient("kl_coef", default=1.0, low=0.0, finite=True, tighter="up", off=0.0),),
    options=(
        Option("kl_direction", DIRECTIONS, default="forward"),
        Option("kl_estimator", ESTIMATORS, default="exact"),
    ),
    needs_kl=needs_kl,
    log=log,
)
