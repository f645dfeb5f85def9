"""Kullback-Leibler divergences between the policies before and after an update, per sample.

The exact divergence is a function of the parameters of two distributions, so the old policy is kept as a few tensors
and never as a second network. Every divergence is summed over action dimensions: SB3's `kl_divergence`
returns one value for each dimension of a Box, and sb3-contrib's TRPO averages over them, so that the value depends on
their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch as th
from stable_baselines3.common.distributions import Distribution
from torch.distributions import Bernoulli, Categorical, Normal

Direction = Literal["forward", "reverse"]
Estimator = Literal["exact", "k1", "k2", "k3"]
DIRECTIONS: tuple[str, ...] = get_args(Direction)
ESTIMATORS: tuple[str, ...] = get_args(Estimator)


@dataclass(frozen=True)
class Distributions:
    """A batch of action distributions, as their parameters.

    :param family: ``"normal"``, ``"categorical"`` or ``"bernoulli"``
    :param tensors: for a normal the mean and the standard deviation, each of shape ``(batch, action_dim)``; for a
        categorical the normalised log-probabilities, one tensor of shape ``(batch, n_choices)`` per action dimension;
        for a Bernoulli the logits, of shape ``(batch, action_dim)``
    """

    family: Literal["normal", "categorical", "bernoulli"]
    tensors: tuple[th.Tensor, ...]

    def select_rows(self, indices: th.Tensor) -> Distributions:
        """The distributions at ``indices``.

        :param indices: integers of shape ``(n,)``, or booleans of shape ``(batch,)``
        """
        return Distributions(self.family, tuple(tensor[indices] for tensor in self.tensors))


def parameters_of(distribution: Any) -> Any:
    """torch's distribution, or list of them, inside one of SB3 or sb3-contrib; ``None`` where there is none.

    :param distribution: whose ``proba_distribution()`` makes a new one at each call
    """
    return getattr(distribution, "distributions", None) or getattr(distribution, "distribution", None)


def distributions_of(distribution: Distribution) -> Distributions:
    """The parameters of an SB3 or sb3-contrib distribution.

    A squashed Gaussian gives those of its Gaussian: tanh is a bijection, so the divergence is the same.

    :param distribution: after its ``proba_distribution()`` was called
    :raises TypeError: for a distribution of another kind
    """
    inner = parameters_of(distribution)
    if isinstance(inner, Normal):
        return Distributions("normal", (inner.mean, inner.stddev))
    if isinstance(inner, Bernoulli):
        return Distributions("bernoulli", (inner.logits,))
    if isinstance(inner, Categorical) and inner.logits.dim() == 3:  # one for all dimensions of a binned action
        return Distributions("categorical", inner.logits.unbind(dim=1))
    choices = [choice for choice in (inner if isinstance(inner, list) else [inner]) if isinstance(choice, Categorical)]
    if choices:
        return Distributions("categorical", tuple(choice.logits for choice in choices))
    raise TypeError(
        f"exact KL: no closed form is known here for {type(distribution).__name__}. A KL penalty can take a sampled "
        "estimator (kl_estimator='k3'), with desired_kl=None or a rule that follows 'approx_kl'; the adaptive clip can "
        "follow the clip fraction (desired_clip_fraction); log_kl and the stop 'kl' need one of SB3's distributions"
    )


def kl_divergence(p: Distributions, q: Distributions) -> th.Tensor:
    r"""Exact divergence :math:`KL(p \,\|\, q) = E_{x \sim p}[\log p(x) - \log q(x)]`, summed over action dimensions.

    :param p: a batch of distributions
    :param q: a batch of the same family and shape
    :return: shape ``(batch,)``, in nats; ``inf`` where ``p`` has a choice that ``q`` excludes
    """
    if p.family == "normal":
        return _normal_kl(p.tensors[0], p.tensors[1], q.tensors[0], q.tensors[1])
    if p.family == "bernoulli":
        return _bernoulli_kl(p.tensors[0], q.tensors[0])
    kl = _categorical_kl(p.tensors[0], q.tensors[0])
    for log_p, log_q in zip(p.tensors[1:], q.tensors[1:], strict=True):
        kl = kl + _categorical_kl(log_p, log_q)
    return kl


def _normal_kl(mean_p: th.Tensor, std_p: th.Tensor, mean_q: th.Tensor, std_q: th.Tensor) -> th.Tensor:
    scale = std_p / std_q
    shift = (mean_p - mean_q) / std_q
    return (0.5 * (scale.square() + shift.square() - 1.0) - scale.log()).sum(dim=-1)


def _categorical_kl(log_p: th.Tensor, log_q: th.Tensor) -> th.Tensor:
    p = log_p.exp()
    # A masked or impossible choice contributes 0; without the inner `where` its gradient would be 0 * inf = NaN.
    possible = p > 0
    difference = th.where(possible, log_p - log_q, 0.0)
    return (p * difference).sum(dim=-1)


def _bernoulli_kl(logits_p: th.Tensor, logits_q: th.Tensor) -> th.Tensor:
    log_sigmoid = th.nn.functional.logsigmoid
    yes = logits_p.sigmoid() * (log_sigmoid(logits_p) - log_sigmoid(logits_q))
    no = (-logits_p).sigmoid() * (log_sigmoid(-logits_p) - log_sigmoid(-logits_q))
    return (yes + no).sum(dim=-1)


def estimate_kl(log_ratio: th.Tensor, estimator: Estimator, direction: Direction = "forward") -> th.Tensor:
    r"""Sampled estimate of the divergence from actions that the *old* policy took.

    With :math:`r = \pi_\theta(a|s) / \pi_{old}(a|s)` and :math:`a \sim \pi_{old}`, for :math:`KL(old \| new)`:

    .. math:: k_1 = -\log r, \qquad k_2 = \tfrac12 (\log r)^2, \qquad k_3 = (r - 1) - \log r.

    The reverse divergence is an expectation under the new policy, so its estimate is the same function of
    :math:`1/r`, weighted by :math:`r`; ``k3`` becomes :math:`r \log r - (r - 1)`.

    ``k1`` and ``k3`` have the right mean, ``k2`` a small bias; ``k2`` and ``k3`` are never negative. As a loss,
    ``k1`` is noise at the start of an update, in either direction: its gradient there has the mean zero but is that of
    :math:`\mp\log\pi` for each sample. ``k3`` has the right gradient and none at :math:`r = 1`.

    Source: J. Schulman, "Approximating KL Divergence", 2020.

    :param log_ratio: shape ``(batch,)``
    :param estimator: ``"k1"``, ``"k2"`` or ``"k3"``
    :param direction: ``"forward"`` for KL(old || new), ``"reverse"`` for KL(new || old)
    :return: shape ``(batch,)``, in nats
    :raises ValueError: for another estimator
    """
    if direction == "reverse" and estimator == "k3":
        # Not `r * k3(1/r)`: 1/r overflows where r is small.
        return log_ratio.exp() * log_ratio - log_ratio.expm1()
    if direction == "reverse":
        return log_ratio.exp() * estimate_kl(-log_ratio, estimator)
    if estimator == "k1":
        return -log_ratio
    if estimator == "k2":
        return 0.5 * log_ratio.square()
    if estimator == "k3":
        return log_ratio.expm1() - log_ratio
    raise ValueError(f"estimator={estimator!r}: a sampled estimator is one of 'k1', 'k2', 'k3'")
