"""Regularizers: losses that are added to those of PPO, each a pure function of the evaluated minibatch.

A term changes the surrogate of the actions that were taken. A regularizer says something else about the new policy: on
states that are not in the minibatch, or inside its network. This module has the record of a regularizer and builds the
list that a model uses; `minibatch.py` has what it sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch as th

from sb3_ppo_variants.coefficients import Coefficient, OfCoefficients
from sb3_ppo_variants.kl import Distributions
from sb3_ppo_variants.minibatch import Minibatch, NotKnown, StatesApart, trial_minibatch
from sb3_ppo_variants.own_parts import (
    LOGGED,
    as_list,
    by_name,
    check_keywords,
    check_tuple,
    coefficients_of,
    name_of,
    refuse_repeated,
    resolve,
    trial_values,
    tried,
    version_of,
)


@dataclass(frozen=True)
class Regularizer(OfCoefficients):
    """A regularizer with everything that the loop and the docs need to know about it.

    :param name: what users write in ``regularizers``
    :param function: pure map ``(minibatch, *, coefficients) -> loss`` per sample, of shape ``(n,)``; its mean is added
        to the loss
    :param coefficients: its keyword-only arguments
    :param needs_kl: whether it asks for the exact divergence from the policy before the update
    :param needs_features: whether it asks for the features of the policy
    :param needs_states_apart: whether it asks for states drawn apart from the minibatch
    :param version: of a part of your own; another version gives the runs of a study another identity
    :raises ValueError: for a name whose loss PPO logs itself, and for a function that does not take the coefficients
    :raises TypeError: for coefficients that are no tuple
    """

    name: str
    function: Callable[..., th.Tensor]
    coefficients: tuple[Coefficient, ...] = ()
    needs_kl: bool = False
    needs_features: bool = False
    needs_states_apart: bool = False
    version: str | int | None = None

    def __post_init__(self) -> None:
        check_tuple(self, "coefficients")
        check_keywords(self, self.function, [coefficient.name for coefficient in self.coefficients])
        if f"{self.name}_loss" in LOGGED:
            raise ValueError(f"regularizers: {self.name!r} would replace train/{self.name}_loss of PPO; rename it")

    @property
    def share(self) -> str:
        """The statistic that a rule may follow: the size of this loss over that of the policy loss."""
        return f"{self.name}_share"

    def try_out(self, values: Mapping[str, Any]) -> None:
        """Call the function on three artificial samples, as an update does.

        What fails for another reason than something that is not known may need what real samples have: it is left to
        the update.

        :param values: name to value
        :raises ValueError: for what the update does not know, and for a result that is no loss per sample
        """
        try:
            loss = self.function(
                _trial(self.needs_kl, self.needs_features, self.needs_states_apart), **self.select(values)
            )
        except NotKnown as error:
            raise ValueError(f"regularizers: {self.name}: {error}") from error
        except Exception:
            return
        _checked(self.name, loss)


class BoundRegularizers:
    """The regularizers of one update, with their coefficients.

    :param regularizers: those that are not switched off
    :param values: name to value of every coefficient
    """

    def __init__(self, regularizers: Sequence[Regularizer], values: Mapping[str, Any]) -> None:
        self.regularizers, self._values = regularizers, values
        self._losses = [partial(part.function, **part.select(values)) for part in regularizers]
        self.needs_kl = any(part.needs_kl for part in regularizers)
        self.needs_features = any(part.needs_features for part in regularizers)
        self.needs_states_apart = any(part.needs_states_apart for part in regularizers)

    @property
    def needs_old(self) -> bool:
        """Whether something of the policy before the update is needed."""
        return self.needs_kl or self.needs_features

    def try_out(self, known: Mapping[str, Regularizer]) -> None:
        """Call the regularizers of users on artificial samples, see :meth:`Regularizer.try_out`.

        :param known: the regularizers of the package
        :raises ValueError: naming the regularizer
        """
        for part in self.regularizers:
            if known.get(part.name) is not part:
                part.try_out(self._values)

    def with_values(self, values: Mapping[str, Any]) -> BoundRegularizers:
        """The same regularizers with other coefficients, such as tensors.

        :param values: name to value of every coefficient
        """
        return BoundRegularizers(self.regularizers, values)

    def __call__(self, minibatch: Minibatch) -> list[th.Tensor]:
        """The loss of each regularizer, scalars with their coefficients.

        :param minibatch: under the current policy
        """
        return [
            _checked(part.name, loss(minibatch), minibatch.ratio.requires_grad).mean()
            for part, loss in zip(self.regularizers, self._losses, strict=True)
        ]

    def statistics(self, losses: th.Tensor, policy: th.Tensor) -> dict[str, float]:
        """What is logged of an update.

        :param losses: of each step, shape ``(steps, number of regularizers)``
        :param policy: the policy loss of each step, shape ``(steps,)``
        """
        size = policy.abs().mean().item()
        named: dict[str, float] = {}
        for part, column in zip(self.regularizers, losses.unbind(dim=1), strict=True):
            named[f"{part.name}_loss"] = column.mean().item()
            named[part.share] = column.abs().mean().item() / (size + 1e-8)
        return named


class Regularization:
    """The regularizers of a model.

    :param regularizers: may be empty
    :raises ValueError: for a regularizer named twice, or two that mean different things by a name
    """

    def __init__(self, regularizers: Sequence[Regularizer]) -> None:
        self.regularizers = tuple(regularizers)
        refuse_repeated("regularizers", [part.name for part in self.regularizers])
        self.coefficients = by_name("regularizers", (c for part in self.regularizers for c in part.coefficients))

    @property
    def shares(self) -> tuple[str, ...]:
        """The statistics that a rule may follow."""
        return tuple(part.share for part in self.regularizers)

    def bind(self, values: Mapping[str, Any]) -> BoundRegularizers:
        """The regularizers of one update; one that is switched off is absent, never multiplied by zero.

        :param values: name to value of every coefficient
        """
        return BoundRegularizers([part for part in self.regularizers if not part.is_off(values)], values)


def regularizer_from_function(function: Callable[..., th.Tensor]) -> Regularizer:
    """Wrap a user's function; its coefficients are its keyword-only arguments.

    The function is called on three artificial samples, to check its result before training and to find out what it
    asks for. One that reads ``minibatch.samples`` has none there: give a :class:`Regularizer` for it.

    :param function: ``(minibatch, *, my_coef=0.1) -> loss`` per sample, of shape ``(batch,)``
    :raises ValueError: when an argument is not a number, the function fails, or something else than one value per
        sample comes back
    """
    name, coefficients = name_of(function), coefficients_of(function)
    trial = _trial()
    _checked(name, tried("regularizers", function, trial, **trial_values(coefficients)))
    return Regularizer(
        name,
        function,
        coefficients,
        needs_kl=trial.asked_for_kl,
        needs_features=trial.asked_for_features,
        needs_states_apart=trial.asked_for_states_apart,
        version=version_of(function),
    )


def _trial(known_kl: bool = True, known_features: bool = True, known_states_apart: bool = True) -> Minibatch:
    distribution = Distributions("normal", (th.zeros(3, 1), th.ones(3, 1)))
    return trial_minibatch(
        known_kl,
        features=(th.zeros(3, 2),) * 2 if known_features else None,
        apart=StatesApart(distribution, distribution) if known_states_apart else None,
    )


def _checked(name: str, loss: Any, trains: bool = False) -> th.Tensor:
    if not isinstance(loss, th.Tensor) or loss.ndim != 1:
        shape = tuple(loss.shape) if isinstance(loss, th.Tensor) else type(loss).__name__
        raise ValueError(
            f"regularizers: {name} must return one value per sample, shape (batch,), not {shape}; the mean is taken "
            "after it"
        )
    if trains and not loss.requires_grad:
        raise ValueError(f"regularizers: {name} returns a loss without gradient: the policy would learn nothing of it")
    return loss


def build_regularization(regularizers: Any, known: Mapping[str, Regularizer]) -> Regularization:
    """The regularizers that a user's ``regularizers`` describes.

    :param regularizers: names, functions and ``Regularizer`` records in a list, or one of them; ``None`` for none
    :param known: those that have a name
    :raises ValueError: for an unknown name and whatever ``Regularization`` refuses
    :raises TypeError: for something that is none of these
    """
    parts = [] if regularizers is None else as_list(regularizers)
    return Regularization(
        [resolve("regularizers", part, Regularizer, known, regularizer_from_function) for part in parts]
    )
