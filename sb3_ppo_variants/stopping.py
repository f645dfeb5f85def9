"""Conditions that end an update early: when a measure of its size passes a limit, no further step is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch as th

from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.messages import one_of
from sb3_ppo_variants.minibatch import Minibatch


@dataclass(frozen=True)
class Stop:
    """A condition that ends an update.

    Give one of the two measures: that of a minibatch is looked at before each step, that of the rollout after each
    epoch.

    :param name: what users write in ``stop``
    :param limit: allowed range of the limit
    :param of_minibatch: measure of a minibatch under the current policy, a scalar
    :param of_rollout: measure of the exact KL(old || new) of every valid step, a scalar
    """

    name: str
    limit: Number
    of_minibatch: Callable[[Minibatch], th.Tensor] | None = None
    of_rollout: Callable[[th.Tensor], th.Tensor] | None = None


class Stopping:
    """The conditions of a model.

    ``of_minibatch`` are the measures that are looked at before each step, with their limits.

    :param limits: a condition and its limit, for each
    """

    def __init__(self, limits: list[tuple[Stop, float]]) -> None:
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

    :param stop: name of a condition to its limit, or ``None``
    :param known: the conditions that have a name
    :raises ValueError: for an unknown name or a limit out of range
    :raises TypeError: for something that is not a dictionary
    """
    if stop is not None and not isinstance(stop, Mapping):
        raise TypeError(f"stop={stop!r}: a dictionary of condition to limit; conditions: {', '.join(known)}")
    limits = []
    for name, limit in (stop or {}).items():
        if name not in known:
            raise ValueError(one_of("stop", name, known))
        replace(known[name].limit, name=f"stop[{name!r}]").check(limit)
        limits.append((known[name], float(limit)))
    return Stopping(limits)
