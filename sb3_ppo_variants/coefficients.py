"""The arguments of terms and rules: numbers with a range, coefficients and options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np

from sb3_ppo_variants.messages import one_of


@dataclass(frozen=True)
class Number:
    """A numeric argument with its allowed range.

    :param name: the argument's name
    :param default: used when it is not given; ``None`` means that it must be, or that it is left out where it may be
    :param low: smallest allowed value
    :param high: largest allowed value
    :param above_low: whether ``low`` itself is excluded
    :param whole: whether it must be an integer
    :param finite: whether infinity is refused; where it is not, it means no limit
    """

    name: str
    default: float | None = None
    low: float = -math.inf
    high: float = math.inf
    above_low: bool = False
    whole: bool = False
    finite: bool = False

    def check(self, value: Any, shown: Any = None) -> None:
        """Refuse a value outside the range.

        :param value: what to check
        :param shown: what the user gave, if that was not the value itself (a schedule, say)
        :raises ValueError: naming the argument, the value and the range
        """
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        in_range = is_number and self.low <= value <= self.high and not (self.above_low and value == self.low)
        if in_range and not (self.finite and math.isinf(value)) and not (self.whole and value % 1 != 0):
            return
        # Infinity, which no number reaches, is shown as an open end.
        left = "(" if self.above_low or self.low == -math.inf else "["
        right = ")" if self.high == math.inf else "]"
        reached = "" if shown is None else f" reaches {value!r}, which"
        given = value if shown is None else shown
        kind = "a whole number" if self.whole else "a finite number" if self.finite else "a number"
        raise ValueError(
            f"{self.name}={given!r}{reached} is not allowed: {kind} in {left}{self.low}, {self.high}{right}"
        )


@dataclass(frozen=True)
class Coefficient(Number):
    """A number in a term that may follow a schedule and a feedback rule.

    :param tighter: which way makes the policy update smaller, ``"down"`` or ``"up"``; a rule needs to know
    :param off: the value at which the whole term is left out of the update
    :param optional: whether it may be ``None``; its function then has a default for it, and it is neither scheduled,
        adapted nor logged
    """

    tighter: Literal["down", "up"] | None = None
    off: float | None = None
    optional: bool = False


@dataclass(frozen=True)
class Option:
    """A choice in a term that is made once and never changes.

    :param name: the argument's name
    :param choices: what is allowed
    :param default: one of them
    """

    name: str
    choices: tuple[str, ...]
    default: str

    def check(self, value: Any) -> None:
        """Refuse what is not among the choices.

        :param value: what to check
        :raises ValueError: naming the argument, the value and the choices
        """
        if value not in self.choices:
            raise ValueError(one_of(self.name, value, self.choices))


@dataclass(frozen=True)
class Flag:
    """Whether a part is used.

    :param name: the argument's name
    :param default: ``False``
    """

    name: str
    default: bool = False

    def check(self, value: Any) -> None:
        """Refuse what is neither ``True`` nor ``False``.

        :param value: what to check
        :raises ValueError: naming the argument and the value
        """
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"{self.name}={value!r} is not known. Choices: True, False, without quotes.")


class OfCoefficients:
    """What a term and a regularizer have in common: arguments of the model, one of which may switch them off."""

    coefficients: tuple[Coefficient, ...]

    @property
    def arguments(self) -> tuple[Coefficient | Option, ...]:
        """What the function takes."""
        return self.coefficients

    def select(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The part's own arguments out of all values, without those that are left out.

        :param values: name to value, for the whole model
        """
        left_out = {c.name for c in self.coefficients if c.optional and c.name not in values}
        return {argument.name: values[argument.name] for argument in self.arguments if argument.name not in left_out}

    def is_off(self, values: Mapping[str, Any]) -> bool:
        """Whether a coefficient sits at the value that switches the part off.

        :param values: name to value, for the whole model
        """
        return any(c.off is not None and values.get(c.name) == c.off for c in self.coefficients)


LOG_KL = Flag("log_kl")
N_EPOCHS = Number("n_epochs", low=1, whole=True)
# SB3 takes any number for these, and fails at the first update with something else.
MAX_GRAD_NORM, TARGET_KL = Number("max_grad_norm"), Number("target_kl")
CLIP_RANGE_VF = Coefficient("clip_range_vf", low=0.0, optional=True)
# PPO's own arguments that may follow a schedule and a rule; any term may read the first.
CLIP_RANGE = Coefficient("clip_range", default=0.2, low=0.0, tighter="down")
LEARNING_RATE = Coefficient("learning_rate", default=3e-4, low=0.0, finite=True, tighter="down")
VF_LEARNING_RATE = Coefficient("vf_learning_rate", low=0.0, finite=True, tighter="down", optional=True)
LOSS_WEIGHTS = (Coefficient("ent_coef", default=0.0, finite=True), Coefficient("vf_coef", default=0.5, finite=True))
