"""A sigmoid in place of the kinks of the clip."""

from __future__ import annotations

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Coefficient
from sb3_ppo_variants.minibatch import Minibatch


def soft_clip(
    surrogate: th.Tensor,
    minibatch: Minibatch,
    *,
    soft_clip_temperature: float,
    negative_soft_clip_temperature: float | None = None,
) -> th.Tensor:
    r"""Soft clip: the Scopic objective of P3O and, with a temperature for each sign of the advantage, SAPO's.

    .. math::

        J = \frac4\tau\, \sigma\big(\tau (r - 1)\big)\, A, \qquad
        \tau = \begin{cases} \tau_{pos} & A \ge 0 \\ \tau_{neg} & A < 0 \end{cases}

    Gradient with respect to :math:`r`: :math:`4 \sigma (1 - \sigma) A` with the sigmoid at :math:`\tau (r - 1)`: it is
    :math:`A` at :math:`r = 1` and decays on both sides, also where the ratio has moved against the advantage, and the
    faster the higher :math:`\tau` is. There is no kink, and nothing pulls a distant ratio back: P3O adds a KL penalty,
    ``objective=["soft_clip", "kl_penalty"]`` with ``kl_coef=0.1``.

    Chen et al., "The Sufficiency of Off-Policyness and Soft Clipping: PPO is still Insufficient according to an
    Off-Policy Measure", AAAI 2023, arXiv 2205.10047, with one temperature; Gao et al., "Soft Adaptive Policy
    Optimization", 2025, arXiv 2511.20347, with two. The value is shifted by a constant of each sample, so that it is
    :math:`A` at the old policy. SAPO also averages over the tokens of each response first; here every sample counts the
    same.

    :param surrogate: shape ``(batch,)``
    :param soft_clip_temperature: :math:`\tau_{pos}`, in P3O 4 for continuous control and 2 for Atari, in SAPO 1;
        towards 0 it is the plain surrogate; leave the term out of the objective to switch it off
    :param negative_soft_clip_temperature: :math:`\tau_{neg}`, 1.05 in SAPO, so that bad samples fade faster; ``None``
        for that of the good ones, as in P3O
    :return: shape ``(batch,)``
    """
    change = minibatch.ratio - 1
    softened = _softened(change, soft_clip_temperature)
    if negative_soft_clip_temperature is not None:
        of_bad = _softened(change, negative_soft_clip_temperature)
        softened = th.where(minibatch.advantages < 0, of_bad, softened)
    return surrogate - minibatch.advantages * (change - softened)


def _softened(change: th.Tensor, temperature: float) -> th.Tensor:
    # 4/tau (sigmoid(x) - 1/2) = 2/tau tanh(x/2)
    return 2 / temperature * th.tanh(temperature / 2 * change)


def log(
    minibatch: Minibatch, *, soft_clip_temperature: float, negative_soft_clip_temperature: float | None = None
) -> dict[str, th.Tensor]:
    """The mean factor on the gradient, 1 at the old policy."""
    change = minibatch.ratio - 1
    factor = _factor(change, soft_clip_temperature)
    if negative_soft_clip_temperature is not None:
        factor = th.where(minibatch.advantages < 0, _factor(change, negative_soft_clip_temperature), factor)
    return {"soft_clip_factor": factor.mean()}


def _factor(change: th.Tensor, temperature: float) -> th.Tensor:
    return 1 - th.tanh(temperature / 2 * change).square()


SOFT_CLIP = Term(
    "soft_clip",
    soft_clip,
    stage="shape",
    coefficients=(
        Coefficient("soft_clip_temperature", default=4.0, low=0.0, above_low=True, finite=True, tighter="up"),
        Coefficient(
            "negative_soft_clip_temperature", low=0.0, above_low=True, finite=True, tighter="up", optional=True
        ),
    ),
    log=log,
)
