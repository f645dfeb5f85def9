"""Schedules of progress remaining: SB3's own, RL Zoo's strings, and the decays of the literature."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from numbers import Real
from typing import Any

from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import FloatSchedule

from sb3_ppo_variants.coefficients import Coefficient, Number


class LinearDecay:
    r"""Linear decay to a floor.

    .. math:: \epsilon(p) = \max(p\, \epsilon_0,\ \epsilon_{end})

    with :math:`p` the progress remaining, 1 at the start and 0 at the end. SB3's ``LinearSchedule(start, end,
    end_fraction)`` reaches ``end`` after the fraction ``end_fraction`` of training; this one decays towards 0 and stays
    at the floor once it reaches it.

    Farsang and Szegletes, "Decaying Clipping Range in Proximal Policy Optimization", 2021, arXiv 2102.10456.

    :param start: :math:`\epsilon_0`, above 0
    :param floor: :math:`\epsilon_{end}`, 0 to ``start``
    :raises ValueError: for a number outside its range
    """

    def __init__(self, start: float, floor: float = 0.0) -> None:
        self.start, self.floor = _checked(type(self).__name__, start, floor)

    def __call__(self, progress_remaining: float) -> float:
        """The value at a progress remaining of 1 (start) to 0 (end)."""
        return max(progress_remaining * self.start, self.floor)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(start={self.start}, floor={self.floor})"


class ExponentialDecay(LinearDecay):
    r"""Exponential decay to a floor.

    .. math:: \epsilon(p) = \max(0.99^{100 (1 - p)}\, \epsilon_0,\ \epsilon_{end})

    with :math:`p` the progress remaining: without a floor it ends at 0.366 of its start, not at 0.

    Farsang and Szegletes, "Decaying Clipping Range in Proximal Policy Optimization", 2021, arXiv 2102.10456; base and
    exponent as in the authors' code.

    :param start: :math:`\epsilon_0`, above 0
    :param floor: :math:`\epsilon_{end}`, 0 to ``start``
    :raises ValueError: for a number outside its range
    """

    def __call__(self, progress_remaining: float) -> float:
        """The value at a progress remaining of 1 (start) to 0 (end)."""
        return float(max(0.99 ** (100 * (1 - progress_remaining)) * self.start, self.floor))


def _checked(where: str, start: Any, floor: Any) -> tuple[float, float]:
    Number(f"{where}: start", low=0.0, above_low=True).check(start)
    Number(f"{where}: floor", low=0.0, high=float(start)).check(floor)
    return float(start), float(floor)


IN_WORDS: dict[str, type[LinearDecay]] = {"lin": LinearDecay, "exp": ExponentialDecay}


def as_schedule(name: str, value: Any) -> Schedule:
    """A schedule of progress remaining (1 at the start, 0 at the end).

    :param name: the argument's name, for the message
    :param value: a number, an SB3 schedule, or a string: ``"lin_0.2"`` (RL Zoo's, to zero), ``"exp_0.2"``, each with
        an optional floor, ``"lin_0.2_0.05"``
    :raises ValueError: for another string
    :raises TypeError: for anything else
    """
    if isinstance(value, str):
        kind, *written = value.split("_")
        try:
            numbers = [float(number) for number in written]
        except ValueError:
            numbers = []
        if kind not in IN_WORDS or len(numbers) not in (1, 2):
            raise ValueError(
                f"{name}={value!r}: a schedule as a string is 'lin_' or 'exp_' and the start, with an optional floor, "
                "like 'lin_0.2' or 'exp_0.2_0.05'"
            )
        try:
            return FloatSchedule(IN_WORDS[kind](*numbers))
        except ValueError as error:
            raise ValueError(f"{name}={value!r}: {error}") from error
    if callable(value):
        return FloatSchedule(value)
    if isinstance(value, Real) and value is not True and value is not False:
        return FloatSchedule(float(value))
    raise TypeError(f"{name}={value!r}: a coefficient is a number, a schedule or a string like 'lin_0.2'")


def read_schedules(model: Any, names: Iterable[str]) -> None:
    """Turn attributes that the stock classes do not take into schedules: strings and the numbers of numpy.

    :param model: with the attributes
    :param names: of the attributes
    :raises ValueError: for another string
    :raises TypeError: for what is neither a number, a schedule nor a string
    """
    for name in names:
        if not isinstance(given := getattr(model, name), (int, float, type(None))):
            setattr(model, name, as_schedule(name, given))


def check_schedule(coefficient: Coefficient, schedule: Schedule, given: Any) -> None:
    """Refuse a schedule that leaves the coefficient's range.

    :param coefficient: with the range
    :param schedule: checked at 11 points from the start to the end of training
    :param given: what the user wrote
    :raises ValueError: naming the argument, the value and the range
    """
    for value in sampled(schedule):
        coefficient.check(value, shown=None if given == value else given)


# Of progress remaining, from the start to the end of training.
POINTS = tuple(1 - step / 10 for step in range(11))


def sampled(schedule: Schedule) -> list[float]:
    """A schedule at 11 points from the start to the end of training.

    :param schedule: of progress remaining
    """
    trial = copied(schedule)
    return [trial(point) for point in POINTS]


def copied(schedule: Schedule) -> Schedule:
    """A schedule to be tried out: one that counts its calls goes on where it was.

    :param schedule: of progress remaining
    """
    return FloatSchedule(copy(schedule.value_schedule)) if isinstance(schedule, FloatSchedule) else copy(schedule)
