"""A penalty on what an update changes in the last hidden layer of the policy."""

import torch as th

from sb3_ppo_variants.coefficients import Coefficient
from sb3_ppo_variants.minibatch import Minibatch
from sb3_ppo_variants.regularization import Regularizer


def feature_drift(minibatch: Minibatch, *, feature_drift_coef: float) -> th.Tensor:
    r"""Drift of the features, Proximal Feature Optimization.

    .. math:: L = \lambda\, \frac{1}{d} \sum_{i=1}^{d} \big(z_i(s; \theta) - z_i(s; \theta_{old})\big)^2

    :math:`z` are the :math:`d` values of the last hidden layer of the actor before its activation function, which are
    not bounded as those after it are. The gradient is 0 at the old policy and grows with the distance from it.

    Moalla et al., "No Representation, No Trust: Connecting Representation, Collapse, and Trust Issues in PPO", 2024,
    arXiv 2405.00662, section 4; the authors' program can do the same to the critic and to all layers.

    :param feature_drift_coef: :math:`\lambda`; in the authors' scripts 1 for Atari and for tanh on MuJoCo, 10 for ReLU
        on MuJoCo; 0 switches it off. The rule ``"rescale"`` sets it by the size of the loss relative to that of the
        policy loss
    :return: shape ``(batch,)``
    """
    now, before = minibatch.features
    return feature_drift_coef * (now - before).square().mean(dim=1)


FEATURE_DRIFT = Regularizer(
    "feature_drift",
    feature_drift,
    coefficients=(Coefficient("feature_drift_coef", default=1.0, low=0.0, finite=True, tighter="up", off=0.0),),
    needs_features=True,
)
