"""Stop when the ratios have left 1 by too much."""

import torch as th

from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.minibatch import Minibatch
from sb3_ppo_variants.stopping import Stop


def ratio_deviation(minibatch: Minibatch) -> th.Tensor:
    r"""Mean deviation of the ratio from 1, checked before each step.

    .. math:: \frac{1}{|B|} \sum_{s, a \in B} \left| \frac{\pi_\theta(a|s)}{\pi_{old}(a|s)} - 1 \right| > \delta

    It estimates, from the actions taken, twice the total variation distance of the two policies. With ``objective=[]``,
    the plain surrogate, and more epochs than usual it is ESPO, which has no other limit. It combines with any
    objective.

    Sun et al., "You May Not Need Ratio Clipping in PPO", 2022, arXiv 2202.00079. A limit of 0.25 is usual.

    :param minibatch: under the current policy
    :return: a scalar
    """
    return (minibatch.ratio - 1).abs().mean()


RATIO_DEVIATION = Stop("ratio_deviation", Number("limit", low=0.0, above_low=True), of_minibatch=ratio_deviation)
