"""Conditions that end an update early: when a measure of its size passes a limit, no further step is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any

import torch as th

from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.minibatch import Minibatch, trial_minibatch
from sb3_ppo_variants.own_parts import name_of, refuse_repeated, resolve, tried, version_of


@dataclass(frozen=True)
class Stop:
    """A condition that ends an update.

    Give one of the two measures: that of a minibatch is looked at before each step, that of the rollout after each
    epoch.

    :param name: what users write in ``stop``
    :param limit: allowed range of the limit
    :param of_minibatch: measure of a minibatch under the current policy, a scalar
    :param of_rollout: measure of the exact KL(old || new) of every valid step, a scalar
    :param version: of a part of your own; another version gives the runs of a study another identity
    :raises ValueError: for a record without a measure
    """

    name: str
    limit: Number
    of_minibatch: Callable[[Minibatch], th.Tensor] | None = None
    of_rollout: Callable[[th.Tensor], th.Tensor] | None = None
    version: str | int | None = None

    def __post_init__(self) -> None:
        if self.of_minibatch is None and self.of_rollout is None:
            raise ValueError(f"Stop {self.name!r} measures nothing: give of_minibatch or of_rollout")


class Stopping:
    """The conditions of a model.

    ``of_minibatch`` are the measures that are looked at before each step, with their limits.

    :param limits: a condition and its limit, for each
    :raises ValueError: for a condition that is there twice
    """

    def __init__(self, limits: list[tuple[Stop, float]]) -> None:
        refuse_repeated("stop", [stop.name for stop, _ in limits])
        self.limits = {stop.name: limit for stop, limit in limits}
        self.of_minibatch = [(stop.of_minibatch, limit) for stop, limit in limits if stop.of_minibatch is not None]
        self._of_rollout = [(stop.of_rollout, limit) for stop, limit in limits if stop.of_rollout is not None]

    @property
    def needs_kl(self) -> bool:
        """Whether the exact divergence of the rollout is looked at after each epoch."""
        return bool(self._of_rollout)

    def after_epoch(self, kl: th.Tensor) -> bool:
        """Whether the update ends with the epoch just done.

        :param kl: exact divergence of every valid step of the rollout, shape ``(n,)``
        """
        return any(bool(measure(kl) > limit) for measure, limit in self._of_rollout)


def build_stopping(stop: Any, known: Mapping[str, Stop]) -> Stopping:
    """The conditions that a user's ``stop`` describes.

    :param stop: condition to limit, or ``None``; a condition is a name, a function of a minibatch or a ``Stop``; also
        a list of pairs of both
    :param known: the conditions that have a name
    :raises ValueError: for an unknown name or a limit out of range
    :raises TypeError: for something that is not a dictionary
    """
    if not isinstance(stop, (Mapping, list, NoneType)):
        raise TypeError(f"stop={stop!r}: a dictionary of condition to limit; conditions: {', '.join(known)}")
    pairs = stop.items() if isinstance(stop, Mapping) else stop or []
    if not all(isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2 for pair in pairs):
        raise TypeError(f"stop={stop!r}: a list has pairs of a condition and its limit; conditions: {', '.join(known)}")
    limits = []
    for given, limit in pairs:
        condition = resolve("stop", given, Stop, known, stop_from_function)
        replace(condition.limit, name=f"stop[{condition.name!r}]").check(limit)
        _check_measures(condition)
        limits.append((condition, float(limit)))
    return Stopping(limits)


def as_saved(stop: Any) -> Any:
    """The conditions as a zip can hold them: SB3 writes a dictionary as JSON, whose keys are names.

    :param stop: as the user gives it
    """
    named = not isinstance(stop, Mapping) or all(isinstance(condition, str) for condition in stop)
    return stop if named else list(stop.items())


def stop_from_function(function: Callable[[Minibatch], th.Tensor]) -> Stop:
    """Wrap a user's measure of a minibatch, which is called once on three artificial samples.

    :param function: ``(minibatch) -> measure``, a scalar tensor; the update ends where it is above the limit
    :raises ValueError: when something else comes back, or when it asks for the exact divergence
    """
    name, trial = name_of(function), trial_minibatch()
    _check_measure(name, tried("stop", function, trial), trial)
    return Stop(name, Number("limit"), of_minibatch=function, version=version_of(function))


def _check_measures(stop: Stop) -> None:
    """Refuse a record whose measures no update can look at. What fails on artificial samples is left to the update."""
    trial = trial_minibatch()
    measures: list[tuple[Callable[[Any], th.Tensor] | None, Any]]
    measures = [(stop.of_minibatch, trial), (stop.of_rollout, th.zeros(3))]
    for measure, samples in measures:
        if measure is None:
            continue
        try:
            found = measure(samples)
        except Exception:
            continue
        _check_measure(stop.name, found, trial)


def _check_measure(name: str, measure: Any, trial: Minibatch) -> None:
    if trial.asked_for_kl:
        raise ValueError(
            f"stop: {name} asks for the exact KL, which is looked at after each epoch: give "
            f"Stop({name!r}, Number('limit'), of_rollout=...)"
        )
    if not isinstance(measure, th.Tensor) or measure.shape != ():
        shape = tuple(measure.shape) if isinstance(measure, th.Tensor) else type(measure).__name__
        raise ValueError(f"stop: {name} must return one number, a tensor of shape (), not {shape}")
