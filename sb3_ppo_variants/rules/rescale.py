"""Set a coefficient by what its loss measured: the next value is the one that would have met the target."""

from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.feedback import Rule, State


def rescale(state: State, measured: float, *, direction: int, target: float) -> State:
    r"""Multiply by the target over what was measured.

    .. math:: m \leftarrow m\, \frac{d_{targ}}{d}

    For a statistic :math:`d` in proportion to the coefficient, such as the share of a regularizer, the product is the
    coefficient with which the last update would have met the target. Nothing moves where :math:`d` is 0.

    Tang and Berseth, "Improving Deep Reinforcement Learning by Reducing the Chain Effect of Value and Policy Churn",
    2024, arXiv 2409.04792, which sets a coefficient by the relative size of two losses.

    :param state: with the multiplier :math:`m`
    :param measured: the statistic :math:`d` of the update
    :param direction: not used
    :param target: :math:`d_{targ}`; a share of 0.1 is usual
    :return: the new multiplier
    """
    return {"multiplier": state["multiplier"] * target / measured if measured > 0 else state["multiplier"]}


RESCALE = Rule(
    "rescale", rescale, arguments=(Number("target", low=0.0, above_low=True, finite=True),), follows=(), directed=False
)
