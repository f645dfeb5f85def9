"""Uniform noise on the mean of a Gaussian policy in the update."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch as th
from stable_baselines3.common.distributions import DiagGaussianDistribution

from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.loop.hook import UpdateHook


class RPONoise(UpdateHook):
    r"""Robust policy optimization: the update sees a policy whose mean is shaken.

    .. math:: \mu \leftarrow \mu + z, \qquad z \sim U(-a, a)

    drawn anew for each sample and action dimension of each minibatch, before log-probability and entropy. It is a
    transform of the new policy and not of the surrogate: every term works with it. The ratio is not 1 in the first
    step, and ``train/approx_kl``, ``target_kl``, stops on the ratios and the KL of a term or of ``churn`` see the
    noise; the exact KL of the rollout, evaluation and ``predict`` are without it.

    Rahman and Xue, "Robust Policy Optimization in Deep Reinforcement Learning", 2022, arXiv 2212.07536, algorithm 1,
    with :math:`a = 0.5`; later runs of others use 0.01 on Ant, Hopper, InvertedDoublePendulum, Reacher and Pusher.
    """

    arguments = (Number("rpo_noise", default=0.0, low=0.0, finite=True),)

    def check(self, model: Any) -> None:
        """Refuse a policy that is no Gaussian.

        :param model: that is set up
        :raises ValueError: naming its distribution
        """
        distribution = getattr(model.policy, "action_dist", None)
        if type(distribution) is not DiagGaussianDistribution:
            raise ValueError(
                f"rpo_noise={model.rpo_noise} needs a Gaussian policy, for a Box action space and without gSDE, not "
                f"{type(distribution).__name__}"
            )

    @contextmanager
    def around_update(self, model: Any, update: Any) -> Iterator[None]:
        """Add the noise within the block where the policy is in training mode.

        :param model: about to be updated
        :param update: about to begin
        """
        distribution = model.policy.action_dist
        make, own = distribution.proba_distribution, vars(distribution).get("proba_distribution")
        distribution.proba_distribution = shaken(make, model.policy, model.rpo_noise)
        try:
            yield
        finally:
            del distribution.proba_distribution
            if own is not None:
                distribution.proba_distribution = own


def shaken(make: Callable[..., Any], policy: Any, noise: float) -> Callable[..., Any]:
    """SB3's ``proba_distribution`` with noise on its mean.

    :param make: the method
    :param policy: in training mode within a step, else without noise
    :param noise: half the width of the noise
    """

    def proba_distribution(mean_actions: th.Tensor, log_std: th.Tensor) -> Any:
        if policy.training:
            mean_actions = mean_actions + th.empty_like(mean_actions).uniform_(-noise, noise)
        return make(mean_actions, log_std)

    return proba_distribution
