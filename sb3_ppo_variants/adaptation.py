"""Coefficients that change: coefficient = schedule(progress) x multiplier(feedback).

The schedule is the user's and follows the progress of training; the multiplier is learned, from one statistic that is
measured after each update. A rule says how: it is a pure function of plain floats, and all that it remembers is a
dictionary of floats, which is saved with the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sb3_ppo_variants.coefficients import CLIP_RANGE, Coefficient, Number
from sb3_ppo_variants.feedback import (
    INITIAL_STATE,
    KL_STATISTICS,
    OF_ADAPT,
    STATISTICS,
    Rule,
    State,
    rule_from_function,
)
from sb3_ppo_variants.messages import one_of, warn_user
from sb3_ppo_variants.own_parts import resolve


@dataclass(frozen=True)
class Controller:
    """One adaptive coefficient: which rule drives it from which statistic, within which bounds.

    :param coefficient: the one that is driven
    :param rule: how
    :param follow: the statistic, one of ``STATISTICS``
    :param arguments: of the rule
    :param low: smallest value of schedule x multiplier
    :param high: largest value of schedule x multiplier
    """

    coefficient: Coefficient
    rule: Rule
    follow: str
    arguments: Mapping[str, float]
    low: float
    high: float

    def bounded(self, base: float, multiplier: float) -> float:
        """The coefficient in use. Where the schedule itself falls below ``low``, the schedule wins.

        :param base: the schedule's value
        :param multiplier: the learned factor
        """
        return min(max(base * multiplier, min(self.low, base)), self.high)

    def check_start(self, start: float) -> None:
        """Refuse to train from a value that the rule cannot drive.

        :param start: the schedule's value at the start of training
        :raises ValueError: for 0 and for a value out of bounds
        """
        name = self.coefficient.name
        if start == 0:
            raise ValueError(f"adapt[{name!r}]: {name} starts at 0, which no multiplier can change; start above 0")
        if not self.low <= start <= self.high:
            raise ValueError(f"adapt[{name!r}]: {name} starts at {start}, outside low={self.low}, high={self.high}")

    def at_bound(self, base: float, multiplier: float) -> bool:
        """Whether the coefficient in use sits at a bound.

        :param base: the schedule's value
        :param multiplier: the learned factor
        """
        value = self.bounded(base, multiplier)
        return any(math.isclose(value, bound, rel_tol=1e-9) for bound in (self.low, self.high))

    def next_state(self, state: State, base: float, measured: float | None) -> State:
        """The state after one update.

        The multiplier is held where the product meets a bound, so that it need not come back from beyond it first. The
        next update then counts as one at a bound, wherever the schedule has moved the product until then.

        :param state: before
        :param base: the schedule's value in the update
        :param measured: the statistic of the update; ``None`` when there was nothing to measure
        """
        counts = {
            "updates": state["updates"] + 1,
            "updates_at_bound": state["updates_at_bound"]
            + (self.at_bound(base, state["multiplier"]) or state.get("held") == 1.0),
        }
        counted = state | counts
        if measured is None or base <= 0:
            return counted  # nothing to learn from; at a base of 0 the schedule has switched the coefficient off
        if not math.isfinite(measured):
            held = f"{self.coefficient.name} stays at {self.bounded(base, state['multiplier'])}"
            warn_user(f"{self.follow} is {measured} after this update: {held}")
            return counted
        direction = 1 if self.coefficient.tighter == "up" else -1
        moved = counted | self.rule.next_state(counted, measured, direction, self.arguments) | counts
        free = base * moved["multiplier"]
        value = self.bounded(base, moved["multiplier"])
        return moved | {"multiplier": value / base, "held": float(not math.isclose(free, value, rel_tol=1e-9))}


class Adaptation:
    """The adaptive coefficients of a model: their controllers, and what these have learned.

    :param controllers: by coefficient name
    :param state: coefficient name to the rule's floats; the model's own dictionary, kept up to date in place
    """

    def __init__(self, controllers: Mapping[str, Controller], state: dict[str, State]) -> None:
        self.controllers = controllers
        self.state = state
        for name in set(state) - set(controllers):
            del state[name]
        for name in controllers:
            state.setdefault(name, dict(INITIAL_STATE))

    def follows(self, *statistics: str) -> bool:
        """Whether a rule follows one of some statistics.

        :param statistics: their names
        """
        return any(controller.follow in statistics for controller in self.controllers.values())

    @property
    def needs_kl(self) -> bool:
        """Whether a rule follows the exact divergence."""
        return self.follows(*KL_STATISTICS)

    def check_starts(self, bases: Mapping[str, float]) -> None:
        """Refuse to train from values that the rules cannot drive.

        :param bases: coefficient name to its schedule's value at the start of training
        :raises ValueError: naming the coefficient
        """
        for name, controller in self.controllers.items():
            controller.check_start(bases[name])

    def values(self, bases: Mapping[str, float]) -> dict[str, float]:
        """Every coefficient as it is used in an update.

        :param bases: coefficient name to its schedule's value
        """
        return {name: self.value(name, base) for name, base in bases.items()}

    def value(self, name: str, base: float) -> float:
        """A coefficient as it is used in an update.

        :param name: adaptive or not
        :param base: its schedule's value
        """
        controller = self.controllers.get(name)
        return base if controller is None else controller.bounded(base, self.state[name]["multiplier"])

    def after_update(self, bases: Mapping[str, float], statistics: Mapping[str, float]) -> None:
        """Move every multiplier once; the new values are used from the next update on.

        :param bases: as in the update
        :param statistics: measured after the update
        """
        for name, controller in self.controllers.items():
            measured = statistics.get(controller.follow)
            # Numpy scalars would make the state unreadable.
            number = None if measured is None else float(measured)
            self.state[name] = controller.next_state(self.state[name], bases[name], number)

    def shares_at_bound(self) -> dict[str, float]:
        """For each adaptive coefficient, the share of the updates so far that it spent at a bound."""
        return {name: self.state[name]["updates_at_bound"] / self.state[name]["updates"] for name in self.controllers}

    def reset(self, names: Iterable[str]) -> None:
        """Forget what was learned about some coefficients.

        :param names: adaptive or not
        """
        for name in {*names} & {*self.controllers}:
            self.state[name] = dict(INITIAL_STATE)


def refuse_rule_of_class(adapt: Any, adapted: str | None, owner: str) -> None:
    """Refuse a rule for the coefficient that a named class adapts by its own arguments.

    :param adapt: the user's rules
    :param adapted: the coefficient, ``None`` where the class has no rule
    :param owner: name of the class
    :raises ValueError: naming the coefficient
    """
    if adapted is not None and isinstance(adapt, Mapping) and adapted in adapt:
        raise ValueError(
            f"adapt[{adapted!r}]: {owner} adapts {adapted} by arguments of its own; for another rule use the Variant "
            "class of the same host, such as VariantPPO"
        )


def with_own_rule(adapt: Any, adapted: str | None, rule: Mapping[str, Any] | None) -> Any:
    """The rules of a model of a named class: the user's for other coefficients, and its own.

    :param adapt: those that the model has
    :param adapted: the coefficient of the own rule, ``None`` where the class has none
    :param rule: its own, ``None`` where that is switched off
    """
    if adapted is None or not (adapt is None or isinstance(adapt, Mapping)):
        return adapt
    others = {name: other for name, other in (adapt or {}).items() if name != adapted}
    return ({} if rule is None else {adapted: rule}) | others or None


def build_controllers(
    adapt: Any,
    coefficients: Mapping[str, Coefficient],
    rules: Mapping[str, Rule],
    shares: tuple[str, ...] = (),
) -> dict[str, Controller]:
    """The controllers that a user's ``adapt`` describes.

    :param adapt: coefficient name to ``{"rule": ..., "follow": ..., "low": ..., "high": ...}``, the rule's own
        arguments, and ``"tighter"`` (``"down"`` or ``"up"``) where the rule needs it and the coefficient
        does not say it; the rule is a name, a function or a ``Rule``
    :param coefficients: of the objective
    :param rules: those that have a name
    :param shares: what the model's regularizers measure, which every rule with a target may follow as well
    :raises ValueError: naming the argument, what was given and what is allowed
    :raises TypeError: for something that is not a dictionary
    """
    if adapt is not None and not isinstance(adapt, Mapping):
        raise TypeError(f"adapt={adapt!r}: a dictionary of coefficient name to the arguments of a rule")
    controllers = {}
    for name, spec in (adapt or {}).items():
        if name not in coefficients:
            raise ValueError(one_of("adapt", name, coefficients))
        if not isinstance(spec, Mapping):
            raise TypeError(
                f"adapt[{name!r}]={spec!r}: a dictionary with 'rule', 'follow', 'low', 'high' and the rule's own"
            )
        controllers[name] = _controller(coefficients[name], dict(spec), rules, shares)
    return controllers


def _controller(
    coefficient: Coefficient, spec: dict[str, Any], rules: Mapping[str, Rule], shares: tuple[str, ...]
) -> Controller:
    name = coefficient.name
    where = f"adapt[{name!r}]"
    given_rule, follow = spec.pop("rule", None), spec.pop("follow", None)
    rule = resolve(f"{where}['rule']", given_rule, Rule, rules, rule_from_function)
    targeted = any(number.name == "target" for number in rule.arguments)
    follows = (*rule.follows, *(shares if targeted else ()))
    if follow not in follows:
        raise ValueError(one_of(f"{where}['follow']", follow, follows))
    if follow not in (*STATISTICS, *shares):
        raise ValueError(f"{where}['rule']: {rule.name} follows {follow!r}, which no model measures")
    tighter = spec.pop("tighter", _tighter(coefficient, follow))
    if rule.directed and tighter not in ("down", "up"):
        raise ValueError(f"{where}['tighter']={tighter!r}: say which way makes the update smaller, 'down' or 'up'")
    bounds = (Number("low", low=0.0, above_low=True), Number("high", low=0.0, above_low=True))
    given = _checked_numbers(where, spec, (*bounds, *rule.arguments))
    low, high = given.pop("low"), given.pop("high")
    for bound in (low, high):
        coefficient.check(bound, shown=spec)
    if low > high:
        raise ValueError(f"{where}['low']={low} is above {where}['high']={high}")
    return Controller(replace(coefficient, tighter=tighter), rule, follow, given, low, high)


def _tighter(coefficient: Coefficient, follow: str) -> str | None:
    """Which way lowers the statistic: the way that makes the update smaller, with one exception."""
    if coefficient.name == CLIP_RANGE.name and follow == "clip_fraction":
        return "up"  # the narrower the range, the more ratios lie outside it: narrowing it would never come to rest
    return coefficient.tighter


def _checked_numbers(where: str, spec: Mapping[str, Any], numbers: tuple[Number, ...]) -> dict[str, float]:
    known = {number.name: number for number in numbers}
    for name in spec:
        if name not in known:
            raise ValueError(one_of(f"{where}: key", name, (*OF_ADAPT, *known)))
    values: dict[str, float] = {}
    for name, number in known.items():
        value = spec.get(name, number.default)
        if value is None:
            raise ValueError(f"{where} needs {name!r}")
        replace(number, name=f"{where}[{name!r}]").check(value)
        values[name] = float(value)
    return values
