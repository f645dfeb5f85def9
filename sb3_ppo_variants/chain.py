"""An objective is a chain of terms, each a map of a per-sample surrogate to a per-sample surrogate.

The chain starts from `advantages * ratio`; a term clips it, bounds it or subtracts a penalty from it. This module has
the record of a term and builds a chain from a list of names; `minibatch.py` has the arguments of a term.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch as th

from sb3_ppo_variants.coefficients import Coefficient, OfCoefficients, Option
from sb3_ppo_variants.kl import Distributions
from sb3_ppo_variants.messages import one_of
from sb3_ppo_variants.minibatch import Minibatch, NotKnown, trial_minibatch
from sb3_ppo_variants.own_parts import (
    LOGGED,
    as_number,
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

Stage = Literal["shape", "bound", "penalty"]
STAGES: tuple[Stage, ...] = ("shape", "bound", "penalty")


@dataclass(frozen=True)
class Term(OfCoefficients):
    """A term with everything that the chain, the loop and the docs need to know about it.

    :param name: what users write in ``objective``
    :param function: pure map ``(surrogate, minibatch, *, coefficients) -> surrogate``, shapes ``(batch,)``
    :param stage: ``"shape"``, ``"bound"`` or ``"penalty"``; terms must come in this order, with ``None`` anywhere
    :param coefficients: the numbers among its keyword-only arguments
    :param options: the choices among them
    :param needs_kl: whether the function asks for the exact divergence, or a function of all values that says so
    :param per_batch: whether a sample's surrogate depends on the other samples of its minibatch
    :param prepare: ``(old, actions, *, coefficients) -> {name: tensor}``, called once per rollout without gradient; the
        term finds the rows of its samples in ``minibatch.prepared``
    :param log: ``(minibatch, *, coefficients) -> {key: scalar}``, called once per update with all its samples; with
        ``per_batch`` once for each minibatch, and the mean is logged
    :param caution: given all values but those that are left out, a warning about them or ``None``
    :param version: of a part of your own; another version gives the runs of a study another identity
    :raises ValueError: for another stage, and for a function that does not take the arguments
    :raises TypeError: for arguments that are no tuple
    """

    name: str
    function: Callable[..., th.Tensor]
    stage: Stage | None = None
    coefficients: tuple[Coefficient, ...] = ()
    options: tuple[Option, ...] = ()
    needs_kl: bool | Callable[[Mapping[str, Any]], bool] = False
    per_batch: bool = False
    prepare: Callable[..., dict[str, th.Tensor]] | None = None
    log: Callable[..., dict[str, th.Tensor]] | None = None
    caution: Callable[[Mapping[str, Any]], str | None] | None = None
    version: str | int | None = None

    def __post_init__(self) -> None:
        check_tuple(self, "coefficients")
        check_tuple(self, "options")
        if self.stage not in (None, *STAGES):
            raise ValueError(f"Term {self.name!r}: " + one_of("stage", self.stage, STAGES))
        for function in (self.function, self.prepare, self.log):
            check_keywords(self, function, [argument.name for argument in self.arguments])

    @property
    def arguments(self) -> tuple[Coefficient | Option, ...]:
        """Coefficients and options."""
        return (*self.coefficients, *self.options)

    def asks_for_kl(self, values: Mapping[str, Any]) -> bool:
        """Whether the function asks for the exact divergence.

        :param values: name to value, for the whole chain
        """
        return self.needs_kl(values) if callable(self.needs_kl) else self.needs_kl

    def try_out(self, values: Mapping[str, Any]) -> Any:
        """Call the function and the log on three artificial samples, as an update does.

        What fails for another reason than a divergence that is not known may need what real samples have: it is left
        to the update.

        :param values: name to value, for the whole chain
        :return: what the log returns
        :raises ValueError: for a divergence that the update does not know, and for a result that is no surrogate
        """
        minibatch = trial_minibatch(known_kl=self.asks_for_kl(values))
        own = self.select(values)
        try:
            surrogate = self.function(minibatch.advantages * minibatch.ratio, minibatch, **own)
            logged = {} if self.log is None else self.log(minibatch.detach(), **own)
        except NotKnown as error:
            raise ValueError(f"objective: {self.name}: {error}") from error
        except Exception:
            return {}
        _check_surrogate(self.name, surrogate, minibatch.ratio)
        return logged


def term_from_function(function: Callable[..., th.Tensor]) -> Term:
    """Wrap a user's function; its coefficients are its keyword-only arguments.

    The function is called on three artificial samples, to check the shape of its result before training and to
    find out whether it needs the exact divergence.

    :param function: ``(surrogate, minibatch, *, my_coef=0.1) -> surrogate``, shapes ``(batch,)``
    :raises ValueError: when an argument is not a number, the function fails, or a tensor of another shape comes back
    """
    name, coefficients = name_of(function), coefficients_of(function)
    trial = trial_minibatch()
    surrogate = tried("objective", function, trial.advantages * trial.ratio, trial, **trial_values(coefficients))
    _check_surrogate(name, surrogate, trial.ratio)
    return Term(name, function, coefficients=coefficients, needs_kl=trial.asked_for_kl, version=version_of(function))


def _check_surrogate(name: str, surrogate: Any, ratio: th.Tensor) -> None:
    """Refuse what no policy can be trained on; a term may do so at any call."""
    if not isinstance(surrogate, th.Tensor) or surrogate.shape != ratio.shape:
        shape = tuple(surrogate.shape) if isinstance(surrogate, th.Tensor) else type(surrogate).__name__
        raise ValueError(
            f"objective: {name} must return one value per sample, shape {tuple(ratio.shape)} here, not {shape}; "
            "the mean is taken after the chain"
        )
    if ratio.requires_grad and not surrogate.requires_grad:
        raise ValueError(f"objective: {name} returns a surrogate without gradient: the policy would learn nothing")


class BoundChain:
    """A chain with the coefficients of one update: calling it gives the surrogate.

    :param terms: those that are not switched off
    :param values: name to value of every coefficient and option
    """

    def __init__(self, terms: Sequence[Term], values: Mapping[str, Any]) -> None:
        self.terms = terms
        self._bind(values)
        self.needs_kl = any(term.asks_for_kl(values) for term in terms)
        self.preparations = [
            (term.name, partial(term.prepare, **term.select(values))) for term in terms if term.prepare is not None
        ]

    def _bind(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.steps = [partial(term.function, **term.select(values)) for term in self.terms]
        self.logs = [(term, partial(term.log, **term.select(values))) for term in self.terms if term.log]

    def with_values(self, values: Mapping[str, Any]) -> BoundChain:
        """The same terms with other coefficients, such as tensors; whether a term is switched off is not checked again.

        :param values: name to value; those that are not there stay
        """
        chain = copy.copy(self)
        chain._bind({**self._values, **values})
        return chain

    @property
    def needs_old(self) -> bool:
        """Whether the old distribution is needed, for the exact divergence or for what a term prepares."""
        return self.needs_kl or bool(self.preparations)

    def try_out(self, known: Mapping[str, Term]) -> None:
        """Call the terms on artificial samples if some are the user's, see :meth:`Term.try_out`.

        :param known: the terms of the package
        :raises ValueError: naming the term
        """
        if any(known.get(term.name) is not term for term in self.terms):
            taken = self._taken
            for term in self.terms:
                taken.update(_numbers(term.name, term.try_out(self._values), taken))

    def prepare(self, old: Distributions, actions: th.Tensor) -> dict[str, th.Tensor]:
        """The tensors that the terms compute from the old policy, once per rollout.

        :param old: of every valid step
        :param actions: taken there, shape ``(n, action_dim)``
        :raises ValueError: for a name that two terms give
        """
        prepared: dict[str, th.Tensor] = {}
        for term, prepare in self.preparations:
            made = prepare(old, actions)
            for name in made.keys() & prepared.keys():
                raise ValueError(f"objective: {term} prepares {name!r}, as another term does; rename one")
            prepared |= made
        return prepared

    def __call__(self, minibatch: Minibatch) -> th.Tensor:
        """The surrogate to maximise, per sample.

        :return: shape ``(batch,)``
        """
        # The product in this order, as in SB3: the other one rounds differently.
        surrogate = minibatch.advantages * minibatch.ratio
        for term, step in zip(self.terms, self.steps, strict=True):
            surrogate = step(surrogate, minibatch)
            _check_surrogate(term.name, surrogate, minibatch.ratio)
        return surrogate

    def statistics(
        self, minibatch: Minibatch, lengths: Sequence[int] = (), taken: Collection[str] = ()
    ) -> dict[str, float]:
        """What the terms log of an update; of a term that looks at whole minibatches the mean over these.

        :param minibatch: all samples of the update
        :param lengths: number of samples of each of its minibatches; by default it is one
        :param taken: keys of this update, beside those of every update
        :raises ValueError: for a key that is taken, and for what is no number
        """
        found: dict[str, float] = {}
        for term, log in self.logs:
            parts = minibatch.split(lengths) if term.per_batch and lengths else [minibatch]
            of_parts = [_numbers(term.name, log(part), {*taken, *self._taken, *found}) for part in parts]
            found |= {key: sum(numbers[key] for numbers in of_parts) / len(parts) for key in of_parts[0]}
        return found

    @property
    def _taken(self) -> set[str]:
        """The keys that every update logs."""
        return {*LOGGED, *self._values}


def _numbers(term: str, logged: Any, taken: Collection[str]) -> dict[str, float]:
    """What a term logs; it may log something else at any call."""
    if not isinstance(logged, Mapping):
        raise ValueError(f"objective: the log of {term} must return a dictionary, not {logged!r}")
    for key in logged:
        if key in taken:
            raise ValueError(f"objective: {term} logs {key!r}, which is logged already; rename it")
    return {key: as_number(f"objective: {term} logs {key!r}", value) for key, value in logged.items()}


class Chain:
    """The terms of an objective in order.

    :param terms: may be empty: the plain surrogate, no limit at all
    :raises ValueError: for a term named twice, stages out of order, or two terms that mean different things by a name
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = tuple(terms)
        self._check_order()
        self.coefficients = by_name("objective", (c for term in self.terms for c in term.coefficients))
        self.options = by_name("objective", (option for term in self.terms for option in term.options))

    def _check_order(self) -> None:
        names = [term.name for term in self.terms]
        refuse_repeated("objective", names)
        staged = [(term.name, term.stage) for term in self.terms if term.stage is not None]
        for (first, first_stage), (second, second_stage) in pairwise(staged):
            if STAGES.index(second_stage) < STAGES.index(first_stage):
                raise ValueError(
                    f"objective={names}: {second!r} ({second_stage}) cannot come after {first!r} ({first_stage}); "
                    f"the order is {', '.join(STAGES)}"
                )

    def bind(self, values: Mapping[str, Any]) -> BoundChain:
        """The chain for one update; a term that is switched off is absent, never multiplied by zero.

        :param values: name to value of every coefficient and option
        """
        return BoundChain([term for term in self.terms if not term.is_off(values)], values)

    def cautions(self, values: Mapping[str, Any]) -> list[str]:
        """The warnings of the terms about these values.

        :param values: name to value of every coefficient and option
        """
        said = [term.caution(values) for term in self.terms if term.caution is not None]
        return [text for text in said if text is not None]


def build_chain(objective: Sequence[Any], known: Mapping[str, Term]) -> Chain:
    """The chain that a user's ``objective`` describes.

    :param objective: names of terms, functions and ``Term`` records; ``[]`` is no limit at all
    :param known: the terms that have a name
    :raises ValueError: for an unknown name and whatever ``Chain`` refuses
    :raises TypeError: for something that is not a term
    """
    return Chain([resolve("objective", part, Term, known, term_from_function) for part in objective])
