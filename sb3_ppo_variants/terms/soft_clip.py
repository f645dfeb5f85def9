"""A sigmoid in place of the kinks of the clip."""

import torch as th

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Coefficient
from sb3_ppo_variants.minibatch import Minibatch


def soft_clip(surrogate: th.Tensor, minibatch: Minibatch, *, soft_clip_temperature: float) -> th.Tensor:
    r"""Soft clip (the Scopic objective of P3O).

    .. math:: J = \frac4\tau\, \sigma\big(\tau (r - 1)\big)\, A

    Gradient with respect to :math:`r`: :math:`4 \sigma (1 - \sigma) A` with the sigmoid at :math:`\tau (r - 1)`: it is
    :math:`A` at :math:`r = 1` and decays on both sides, also where the ratio has moved against the advantage. There is
    no kink, and nothing pulls a distant ratio back: the paper adds a KL penalty,
    ``objective=["soft_clip", "kl_penalty"]`` with ``kl_coef=0.1``.

    Chen et al., "The Sufficiency of Off-Policyness and Soft Clipping: PPO is still Insufficient according to an
    Off-Policy Measure", AAAI 2023, arXiv 2205.10047. The value is shifted by a constant of each sample, so that it is
    :math:`A` at the old policy.

    :param surrogate: shape ``(batch,)``
    :param soft_clip_temperature: :math:`\tau`, 4 for continuous control and 2 for Atari in the paper; towards 0 it is
        the plain surrogate; leave the term out of the objective to switch it off
    :return: shape ``(batch,)``
    """
    change = minibatch.ratio - 1
    # 4/tau (sigmoid(x) - 1/2) = 2/tau tanh(x/2)
    softened = 2 / soft_clip_temperature * th.tanh(soft_clip_temperature / 2 * change)
    return surrogate - minibatch.advantages * (change - softened)


def log(minibatch: Minibatch, *, soft_clip_temperature: float) -> dict[str, th.Tensor]:
    """The mean factor on the gradient, 1 at the old policy."""
    factor = 1 - th.tanh(soft_clip_temperature / 2 * (minibatch.ratio - 1)).square()
    return {"soft_clip_factor": factor.mean()}


SOFT_CLIP = Term(
    "soft_clip",
    soft_clip,
    stage="shape",
    coefficients=(
        Coefficient("soft_clip_temperature", default=4.0, low=0.0, above_low=True, finite=True, tighter="up"),
    ),
    log=log,
)
