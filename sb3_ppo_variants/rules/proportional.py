"""A proportional controller: small steps in proportion to the error, in logarithm."""

from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.feedback import Rule, State


def proportional(
    state: State, measured: float, *, direction: int, target: float, gain: float, largest_error: float
) -> State:
    r"""Multiply by one plus the relative error, scaled and clipped.

    .. math::

        e = \mathrm{clip}\Big(\frac{d - d_{targ}}{d_{targ}},\ -e_{max},\ e_{max}\Big), \qquad
        m \leftarrow m\, (1 + K e)^{s}

    with :math:`s = 1` where raising the coefficient makes the update smaller (a KL coefficient) and :math:`s = -1`
    where lowering it does (a clip range). It has no dead band: it moves a little after every update, at most by 2 %
    with the defaults.

    Ziegler et al., "Fine-Tuning Language Models from Human Preferences", 2019, arXiv 1909.08593, section 2.2, where
    :math:`K = 0.1`, :math:`e_{max} = 0.2` and the divergence is that from a fixed reference model; here it is that of
    the update.

    :param state: with the multiplier :math:`m`
    :param measured: the statistic :math:`d` of the update
    :param direction: :math:`s`
    :param target: :math:`d_{targ}`, in the units of the statistic
    :param gain: :math:`K`, with ``gain * largest_error`` below 1
    :param largest_error: :math:`e_{max}`, 0 to 1
    :return: the new multiplier
    """
    error = min(max((measured - target) / target, -largest_error), largest_error)
    return {"multiplier": state["multiplier"] * (1 + gain * error) ** direction}


PROPORTIONAL = Rule(
    "proportional",
    proportional,
    arguments=(
        Number("target", low=0.0, above_low=True, finite=True),
        Number("gain", default=0.1, low=0.0, high=0.99, above_low=True),
        Number("largest_error", default=0.2, low=0.0, high=1.0, above_low=True),
    ),
)
