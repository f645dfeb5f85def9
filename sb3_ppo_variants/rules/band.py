"""A band around a target: tighten above it, loosen below it."""

from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.feedback import Rule, State


def band(state: State, measured: float, *, direction: int, target: float, width: float, factor: float) -> State:
    r"""Multiply or divide by a factor when the statistic leaves a band around its target.

    .. math::

        m \leftarrow \begin{cases}
            m f^{+s} & d > w\, d_{targ} \\
            m f^{-s} & d < d_{targ} / w \\
            m & \text{else}
        \end{cases}

    with :math:`s = 1` where raising the coefficient makes the update smaller (a KL coefficient) and :math:`s = -1`
    where lowering it does (a clip range).

    With :math:`w = 1.5` and :math:`f = 2` this is the rule for the adaptive KL coefficient in Schulman et al.,
    "Proximal Policy Optimization Algorithms", 2017, arXiv 1707.06347, section 4.

    :param state: with the multiplier :math:`m`
    :param measured: the statistic :math:`d` of the update
    :param direction: :math:`s`
    :param target: :math:`d_{targ}`, in the units of the statistic
    :param width: :math:`w`, at least 1
    :param factor: :math:`f`, above 1
    :return: the new multiplier
    """
    move = (measured > width * target) - (measured < target / width)
    return {"multiplier": state["multiplier"] * factor ** (direction * move)}


BAND = Rule(
    "band",
    band,
    arguments=(
        Number("target", low=0.0, above_low=True, finite=True),
        Number("width", default=1.5, low=1.0),
        Number("factor", default=2.0, low=1.0, above_low=True, finite=True),
    ),
)
