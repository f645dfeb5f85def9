"""A penalty on what a step changes in states that are not in its minibatch."""

import torch as th

from sb3_ppo_variants.coefficients import Coefficient
from sb3_ppo_variants.minibatch import Minibatch
from sb3_ppo_variants.regularization import Regularizer


def churn(minibatch: Minibatch, *, churn_coef: float) -> th.Tensor:
    r"""Churn of the policy, CHAIN.

    .. math:: L = \lambda\, KL\big(\pi_{\theta^-}(\cdot|s') \,\|\, \pi_\theta(\cdot|s')\big)

    :math:`s'` are states of the rollout that are drawn apart from the minibatch, as many as there are in it, and
    :math:`\theta^-` are the weights one gradient step earlier. In the first step of an update the loss and its gradient
    are 0. The gradient pulls the policy in the states apart back to where it was before the last step, so that a step
    changes less where it was not asked to. Both policies are evaluated in training mode: the noise of a dropout or of
    ``rpo_noise`` counts as churn.

    Tang and Berseth, "Improving Deep Reinforcement Learning by Reducing the Chain Effect of Value and Policy Churn",
    2024, arXiv 2409.04792, section 4; the paper's program for a Gaussian compares the means alone by their squared
    difference. It scales :math:`\lambda` so that the loss has a given size relative to the policy loss, 0.1 say:
    ``adapt={"churn_coef": {"rule": "rescale", "follow": "churn_share", "target": 0.1, "low": 1e-2, "high": 1e6}}``,
    with the sizes of the last update where the paper takes those of the last 100 steps and lowers the coefficient with
    the learning rate.

    :param churn_coef: :math:`\lambda`; 100 is where the paper's scaling starts; 0 switches it off
    :return: shape ``(batch,)``, one value for each state apart
    """
    return churn_coef * minibatch.apart.kl()


CHURN = Regularizer(
    "churn",
    churn,
    coefficients=(Coefficient("churn_coef", default=100.0, low=0.0, finite=True, tighter="up", off=0.0),),
    needs_states_apart=True,
)
