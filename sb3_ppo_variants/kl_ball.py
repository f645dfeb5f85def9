r"""How far the probability of one action can move within a ball of the exact divergence around the old policy.

For each sample, the largest and the smallest ratio :math:`\pi(a|s) / \pi_{old}(a|s)` over all distributions of the old
one's family with :math:`KL(\pi_{old} \| \pi) \le \delta`: the bounds of Wang et al., "Trust Region-Guided Proximal
Policy Optimization", NeurIPS 2019, arXiv 1901.10314.

Both families here are exponential, :math:`\log r` is concave and the divergence convex in the natural parameters, and
a Lagrange multiplier :math:`\lambda` gives every stationary point in closed form: the distribution whose moments are

.. math:: \frac{\lambda\, E_{old}[T] + T(a)}{1 + \lambda}

with :math:`T` the sufficient statistics. A positive :math:`\lambda` moves towards the action, a negative one away from
it, and the divergence falls as :math:`|\lambda|` grows, so that one bisection for all samples at once finds the
multiplier at which it equals :math:`\delta`. Several action dimensions share one multiplier, which divides the budget
between them in the best way; the paper's code gives each the same share.
"""

from __future__ import annotations

from collections.abc import Callable

import torch as th

from sb3_ppo_variants.kl import Distributions

# Multipliers from exp(-30) to exp(30), halved until neighbouring floats are left.
EXPONENTS = 30.0
HALVINGS = 60

# Multiplier, shape (batch, 1) -> logarithm of the ratio and divergence, shape (batch,).
Path = Callable[[th.Tensor], tuple[th.Tensor, th.Tensor]]


@th.no_grad()
def ratio_bounds(old: Distributions, actions: th.Tensor, radius: float) -> tuple[th.Tensor, th.Tensor]:
    """Smallest and largest ratio within the ball.

    :param old: a batch of distributions
    :param actions: the actions taken, shape ``(batch, action_dim)``, in the space of the distribution
    :param radius: :math:`\\delta`, in nats
    :return: lower bounds below 1 and upper bounds above 1, each of shape ``(batch,)``
    """
    if old.family == "normal":
        path, nearest = _normal_path(old, actions.double())
    else:
        path, nearest = _finite_path(_probabilities(old, actions).double())
    low = _solve(lambda size: path(-nearest - size), nearest, radius)
    high = _solve(path, th.ones_like(nearest), radius)
    dtype = old.tensors[0].dtype
    return low.to(dtype), high.to(dtype)


def _solve(path: Path, scale: th.Tensor, radius: float) -> th.Tensor:
    """The ratio where the divergence along a path reaches the radius, from inside."""
    outside = th.full_like(scale, -EXPONENTS)
    inside = th.full_like(scale, EXPONENTS)
    for _ in range(HALVINGS):
        middle = (outside + inside) / 2
        _, kl = path(scale * middle.exp())
        # At the far end of a path the divergence may be infinite or undefined: that is outside too.
        within = (kl <= radius).unsqueeze(-1)
        inside, outside = th.where(within, middle, inside), th.where(within, outside, middle)
    return path(scale * inside.exp())[0].exp()


def _normal_path(old: Distributions, actions: th.Tensor) -> tuple[Path, th.Tensor]:
    """The path of a diagonal Gaussian, and the size beyond which a negative multiplier is possible."""
    mean, std = (tensor.double() for tensor in old.tensors)
    square = ((actions - mean) / std).square()

    def path(multiplier: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        spread = 1 + multiplier + square
        variance = multiplier * spread / (1 + multiplier).square()
        log_variance = variance.log()
        log_ratio = 0.5 * (square - log_variance - square * multiplier / spread)
        kl = 0.5 * (log_variance + ((1 + multiplier).square() + square) / (multiplier * spread) - 1)
        return log_ratio.sum(dim=-1), kl.sum(dim=-1)

    return path, 1 + square.max(dim=-1, keepdim=True).values


def _finite_path(probabilities: th.Tensor) -> tuple[Path, th.Tensor]:
    """The path of independent choices, given the probability of each choice taken, and the size as above."""

    def path(multiplier: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        taken = ((multiplier * probabilities + 1) / (1 + multiplier) / probabilities).clamp(min=0).log()
        others = (multiplier / (1 + multiplier)).log()
        kl = -probabilities * taken - (1 - probabilities) * others
        return taken.sum(dim=-1), kl.sum(dim=-1)

    return path, (1 / probabilities).max(dim=-1, keepdim=True).values


def _probabilities(old: Distributions, actions: th.Tensor) -> th.Tensor:
    """Probability of the choice taken in each action dimension, shape ``(batch, action_dim)``."""
    if old.family == "bernoulli":
        (logits,) = old.tensors
        return th.where(actions > 0.5, logits, -logits).sigmoid()
    choices = zip(old.tensors, actions.long().unbind(dim=-1), strict=True)
    return th.stack([log_p.gather(-1, taken.unsqueeze(-1)).squeeze(-1).exp() for log_p, taken in choices], dim=-1)
