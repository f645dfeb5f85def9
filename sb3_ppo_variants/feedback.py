"""The record of a feedback rule, what it may follow, and a user's function as one."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.own_parts import (
    check_keywords,
    check_tuple,
    coefficients_of,
    name_of,
    trial_values,
    version_of,
)

# What a rule may follow; `kl` and `kl_max` cost a pass over the rollout, the others are there anyway.
KL_STATISTICS = ("kl", "kl_max")
UPDATE_SIZES = (*KL_STATISTICS, "approx_kl", "clip_fraction", "ratio_deviation", "ratio_max")
# Mean return of the episodes that ended in the rollout; missing where none did.
EPISODE_RETURN = "episode_return"
STATISTICS = (*UPDATE_SIZES, EPISODE_RETURN)

State = dict[str, float]
# What a user writes in ``adapt`` besides the arguments of a rule.
OF_ADAPT = ("rule", "follow", "tighter", "low", "high")


@dataclass(frozen=True)
class Rule:
    """A feedback rule.

    :param name: what users write in ``adapt``
    :param function: pure map ``(state, measured, *, direction, arguments) -> state``; the state always has
        ``"multiplier"``, and ``direction`` is +1 where raising the coefficient makes the update smaller, else -1
    :param arguments: its numbers, with their ranges
    :param follows: the statistics that it can make sense of
    :param directed: whether it needs to know which way makes the update smaller
    :param version: of a part of your own; another version gives the runs of a study another identity
    :raises ValueError: for a function that does not take the arguments, and for an argument that ``adapt`` has itself
    :raises TypeError: for arguments or statistics that are no tuple
    """

    name: str
    function: Callable[..., State]
    arguments: tuple[Number, ...]
    follows: tuple[str, ...] = UPDATE_SIZES
    directed: bool = True
    version: str | int | None = None

    def __post_init__(self) -> None:
        check_tuple(self, "arguments")
        check_tuple(self, "follows")
        names = [argument.name for argument in self.arguments]
        for name in names:
            if name in OF_ADAPT:
                raise ValueError(f"Rule {self.name!r}: {name!r} is a key of adapt; rename the argument")
        check_keywords(self, self.function, ["direction", *names])

    def next_state(self, state: State, measured: float, direction: int, arguments: Mapping[str, float]) -> State:
        """The state after an update.

        :param state: before
        :param measured: the statistic of the update
        :param direction: as of the function
        :param arguments: of the function
        :raises ValueError: when the function returns no multiplier
        """
        return self.checked(self.function(state, measured, direction=direction, **arguments))

    def checked(self, after: Any) -> State:
        """The state that the function returned, with its multiplier as a float.

        :param after: what it returned
        :raises ValueError: when that has no multiplier
        """
        multiplier = after.get("multiplier") if isinstance(after, Mapping) else None
        if not (isinstance(multiplier, Real) and not math.isnan(multiplier)):
            raise ValueError(
                f"adapt: {self.name} must return a dictionary with a number as 'multiplier', not {after!r}"
            )
        return {**after, "multiplier": float(multiplier)}


INITIAL_STATE: Mapping[str, float] = {"multiplier": 1.0, "updates": 0.0, "updates_at_bound": 0.0}


def rule_from_function(function: Callable[..., State]) -> Rule:
    """Wrap a user's function; its arguments are its keyword-only arguments besides ``direction``.

    It may follow every statistic. The function is called with the state of the first update, to check what comes
    back before training.

    :param function: ``(state, measured, *, direction, my_gain=0.1) -> state``, as in :class:`Rule`
    :raises ValueError: when it has no ``direction``, an argument is not a number, the function fails, or something else
        comes back than a state with a multiplier above 0
    """
    name = name_of(function)
    if "direction" not in inspect.signature(function).parameters:
        raise ValueError(f"adapt: {name} needs the keyword argument direction: (state, measured, *, direction, ...)")
    arguments = tuple(Number(c.name, c.default) for c in coefficients_of(function) if c.name != "direction")
    rule = Rule(name, function, arguments, follows=STATISTICS, version=version_of(function))
    first, measured = {**INITIAL_STATE, "updates": 1.0}, 0.01
    try:
        after = function(first, measured, direction=1, **trial_values(arguments))
    except TypeError:
        raise
    except Exception as error:
        raise ValueError(
            f"adapt: {name} fails with the state {first} and the measured value {measured}: {error!r}"
        ) from error
    state = rule.checked(after)
    if state["multiplier"] <= 0:
        raise ValueError(f"adapt: {name} must return a dictionary with a number above 0 as 'multiplier', not {state!r}")
    return rule
