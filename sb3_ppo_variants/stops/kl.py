"""Stop when the exact KL of the whole rollout has become too large."""

import torch as th

from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.stopping import Stop


def mean_kl(kl: th.Tensor) -> th.Tensor:
    r"""Mean exact divergence over the rollout, checked after each epoch.

    .. math:: \frac{1}{n} \sum_s KL\big(\pi_{old}(\cdot|s) \,\|\, \pi_\theta(\cdot|s)\big) > \delta

    This is the number that ``train/kl`` logs, and it ends the update at its value. SB3's ``target_kl`` is a noisy
    estimate from one minibatch, and ends the update at 1.5 times its value. The exact divergence costs a forward pass
    over the rollout per epoch.

    The bound on the mean divergence is that of Schulman et al., "Trust Region Policy Optimization", 2015,
    arXiv 1502.05477; Spinning Up's PPO stops on an estimate of it. Limits of 0.01 to 0.05 are usual.

    :param kl: KL(old || new) of every valid step, shape ``(n,)``, in nats, summed over action dimensions
    :return: a scalar
    """
    return kl.mean()


KL = Stop("kl", Number("limit", low=0.0, above_low=True), of_rollout=mean_kl)
