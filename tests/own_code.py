"""A module of a user's own parts, for tests that name them by path."""

from __future__ import annotations

import torch as th

from sb3_ppo_variants import Coefficient, Minibatch, Number, Rule, Stop, Term, UpdateHook, register

FACTOR = 2.0


def distance(surrogate: th.Tensor, minibatch: Minibatch, *, distance_coef: float = 0.1) -> th.Tensor:
    """The surrogate minus a penalty."""
    return surrogate - distance_coef * squared(minibatch.log_ratio)


def squared(tensor: th.Tensor) -> th.Tensor:
    """What the penalty measures."""
    return tensor.square()


DISTANCE = Term("distance", distance, coefficients=(Coefficient("distance_coef", default=0.1, low=0.0),))
SECOND = Term("second", distance, coefficients=(Coefficient("distance_coef", default=0.1, low=0.0),), version=2)


def steady(state: dict[str, float], measured: float, *, direction: int, gain: float = 1.0) -> dict[str, float]:
    """A rule that moves the multiplier at every update."""
    return {"multiplier": state["multiplier"] * (1 + gain)}


STEADY = Rule("steady", steady, arguments=(Number("gain", default=1.0),))


def largest(minibatch: Minibatch) -> th.Tensor:
    """The largest ratio."""
    return FACTOR * minibatch.ratio.max()


LARGEST = Stop("largest", Number("limit", low=1.0), of_minibatch=largest)


class Nothing(UpdateHook):
    """A hook that does nothing."""


@register(argument="objective")
def plain(surrogate: th.Tensor, minibatch: Minibatch, *, plain_coef: float = 0.1) -> th.Tensor:
    """A registered term."""
    return surrogate * (1 - plain_coef)
