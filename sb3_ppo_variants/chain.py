"""An objective is a chain of terms, each a map of a per-sample surrogate to a per-sample surrogate.

The chain starts from `advantages * ratio`; a term clips it, bounds it or subtracts a penalty from it. What a term is,
what it sees of a minibatch and how a list of names becomes a chain is here; the terms themselves are in `terms/`.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch as th

from sb3_ppo_variants.arguments import CLIP_RANGE, Coefficient, Number, Option, one_of
from sb3_ppo_variants.kl import Direction, Parameters, kl_divergence

Stage = Literal["shape", "bound", "penalty"]
STAGES: tuple[Stage, ...] = ("shape", "bound", "penalty")


class Minibatch:
    r"""What a term sees of a minibatch; all tensors have the shape ``(batch,)``.

    :param advantages: as they enter the surrogate, so normalised when ``normalize_advantage`` is on
    :param log_ratio: :math:`\log \pi_\theta(a|s) - \log \pi_{old}(a|s)`; its exponential is ``ratio``
    :param old: the old distribution of each sample, when a term needs the exact divergence
    :param new: the current distribution of each sample
    :param prepared: what the terms made of the old distributions once per rollout, the rows of these samples
    """

    def __init__(
        self,
        advantages: th.Tensor,
        log_ratio: th.Tensor,
        old: Parameters | None = None,
        new: Parameters | None = None,
        prepared: Mapping[str, th.Tensor] | None = None,
    ) -> None:
        self.advantages = advantages
        self.log_ratio = log_ratio
        self.ratio = th.exp(log_ratio)
        self.prepared = {} if prepared is None else prepared
        self._old = old
        self._new = new
        self._kl: dict[Direction, th.Tensor] = {}

    def kl(self, direction: Direction = "forward") -> th.Tensor:
        """Exact divergence per sample, computed at most once per direction.

        :param direction: ``"forward"`` for KL(old || new), ``"reverse"`` for KL(new || old)
        :return: shape ``(batch,)``, in nats, summed over action dimensions
        :raises RuntimeError: when the term's record does not say that it needs the divergence
        """
        if direction not in self._kl:
            if self._old is None or self._new is None:
                raise RuntimeError("a term asks for the exact KL, but no record in the objective says needs_kl=True")
            pair = (self._old, self._new) if direction == "forward" else (self._new, self._old)
            self._kl[direction] = kl_divergence(*pair)
        return self._kl[direction]

    @property
    def asked_for_kl(self) -> bool:
        """Whether a term asked for an exact divergence."""
        return bool(self._kl)

    def tensors(self) -> dict[str, Any]:
        """What the statistics of an update need of it: everything but the distributions."""
        return {
            "advantages": self.advantages,
            "log_ratio": self.log_ratio,
            "ratio": self.ratio,
            "prepared": dict(self.prepared),
            "kl": dict(self._kl),
        }

    @staticmethod
    def from_tensors(
        advantages: th.Tensor,
        log_ratio: th.Tensor,
        ratio: th.Tensor,
        prepared: Mapping[str, th.Tensor],
        kl: dict[Direction, th.Tensor],
    ) -> Minibatch:
        """A minibatch as the statistics need it, from what :meth:`tensors` gives.

        :param advantages: as in the class
        :param log_ratio: as in the class
        :param ratio: its exponential
        :param prepared: as in the class
        :param kl: the exact divergences that were asked for, by direction
        """
        minibatch = Minibatch.__new__(Minibatch)
        minibatch.advantages, minibatch.log_ratio, minibatch.ratio = advantages, log_ratio, ratio
        minibatch.prepared, minibatch._kl = prepared, kl
        minibatch._old = minibatch._new = None
        return minibatch

    def detach(self) -> Minibatch:
        """The same numbers without their graph, for the statistics of the update."""
        kl = {direction: kl.detach() for direction, kl in self._kl.items()}
        return Minibatch.from_tensors(self.advantages, self.log_ratio.detach(), self.ratio.detach(), self.prepared, kl)

    @staticmethod
    def concatenate(parts: Sequence[Minibatch]) -> Minibatch:
        """All samples of an update as one minibatch.

        :param parts: at least one
        """
        return Minibatch.from_tensors(
            th.cat([part.advantages for part in parts]),
            th.cat([part.log_ratio for part in parts]),
            th.cat([part.ratio for part in parts]),
            {name: th.cat([part.prepared[name] for part in parts]) for name in parts[0].prepared},
            {direction: th.cat([part._kl[direction] for part in parts]) for direction in parts[0]._kl},
        )


@dataclass(frozen=True)
class OldPolicy:
    """What is kept of the policy before the update.

    :param distribution: of every valid step of the rollout
    :param prepared: what the terms made of it, each of shape ``(n_steps * n_envs, ...)``
    """

    distribution: Parameters
    prepared: Mapping[str, th.Tensor]

    def rows(self, indices: th.Tensor) -> OldPolicy:
        """The old policy at some steps.

        :param indices: integers of shape ``(batch,)``
        """
        return OldPolicy(
            self.distribution.rows(indices), {name: tensor[indices] for name, tensor in self.prepared.items()}
        )


def _never(values: Mapping[str, Any]) -> bool:
    return False


def always(values: Mapping[str, Any]) -> bool:
    """What a term whose function always asks for the exact divergence says to ``needs_kl``.

    :param values: all values of the chain
    """
    return True


@dataclass(frozen=True)
class Term:
    """A term and all that the chain, the loop and the docs need to know of it.

    :param name: what users write in ``objective``
    :param function: pure map ``(surrogate, minibatch, *, coefficients) -> surrogate``, shapes ``(batch,)``
    :param stage: ``"shape"``, ``"bound"`` or ``"penalty"``, in which order terms must come; ``None`` for anywhere
    :param coefficients: the numbers among its keyword-only arguments
    :param options: the choices among them
    :param needs_kl: given all values, whether the exact divergence is needed
    :param per_batch: whether a sample's surrogate depends on the other samples of its minibatch
    :param prepare: ``(old, actions, *, coefficients) -> {name: tensor}``, called once per rollout without gradient; the
        term finds the rows of its samples in ``minibatch.prepared``
    :param log: ``(minibatch, *, coefficients) -> {key: scalar}``, called once per update with all its samples
    :param caution: given all values, a warning about them or ``None``
    """

    name: str
    function: Callable[..., th.Tensor]
    stage: Stage | None = None
    coefficients: tuple[Coefficient, ...] = ()
    options: tuple[Option, ...] = ()
    needs_kl: Callable[[Mapping[str, Any]], bool] = _never
    per_batch: bool = False
    prepare: Callable[..., dict[str, th.Tensor]] | None = None
    log: Callable[..., dict[str, th.Tensor]] | None = None
    caution: Callable[[Mapping[str, Any]], str | None] | None = None

    @property
    def arguments(self) -> tuple[Coefficient | Option, ...]:
        """Coefficients and options."""
        return (*self.coefficients, *self.options)

    def select(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The term's own arguments out of all values.

        :param values: name to value, for the whole chain
        """
        return {argument.name: values[argument.name] for argument in self.arguments}

    def is_off(self, values: Mapping[str, Any]) -> bool:
        """Whether a coefficient sits at the value that switches the term off.

        :param values: name to value, for the whole chain
        """
        return any(c.off is not None and values[c.name] == c.off for c in self.coefficients)


def term_from_function(function: Callable[..., th.Tensor]) -> Term:
    """Wrap a user's own function; its coefficients are its keyword-only arguments.

    The function is called once on three made-up samples, so that a wrong shape shows before training and the need for
    the exact divergence is seen.

    :param function: ``(surrogate, minibatch, *, my_coef=0.1) -> surrogate``, shapes ``(batch,)``
    :raises ValueError: when an argument is not a number, or when a tensor of another shape comes back
    """
    name = getattr(function, "__name__", type(function).__name__)
    keyword_only = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    coefficients = []
    for parameter in keyword_only:
        default = None if parameter.default is parameter.empty else parameter.default
        if default is not None:
            Number(f"{name}: default of {parameter.name}").check(default)
        shared = parameter.name == CLIP_RANGE.name
        coefficients.append(CLIP_RANGE if shared else Coefficient(parameter.name, default))
    trial = _trial_minibatch()
    values = {c.name: 1.0 if c.default is None else c.default for c in coefficients}
    result = function(trial.advantages * trial.ratio, trial, **values)
    if not isinstance(result, th.Tensor) or result.shape != trial.ratio.shape:
        shape = tuple(result.shape) if isinstance(result, th.Tensor) else type(result).__name__
        raise ValueError(
            f"objective: {name} must return one value per sample, shape {tuple(trial.ratio.shape)} here, not {shape}; "
            "the mean is taken after the chain"
        )
    needs_kl = always if trial.asked_for_kl else _never
    return Term(name, function, coefficients=tuple(coefficients), needs_kl=needs_kl)


def _trial_minibatch() -> Minibatch:
    distribution = Parameters("normal", (th.zeros(3, 1), th.ones(3, 1)))
    return Minibatch(th.tensor([1.0, 0.0, -1.0]), th.tensor([0.1, 0.0, -0.1]), distribution, distribution)


class BoundChain:
    """A chain with the coefficients of one update: calling it gives the surrogate.

    :param terms: those that are not switched off
    :param values: name to value of every coefficient and option
    """

    def __init__(self, terms: Sequence[Term], values: Mapping[str, Any]) -> None:
        self.terms = terms
        self.steps = [partial(term.function, **term.select(values)) for term in terms]
        self.needs_kl = any(term.needs_kl(values) for term in terms)
        self.preparations = [partial(term.prepare, **term.select(values)) for term in terms if term.prepare is not None]
        self.logs = [partial(term.log, **term.select(values)) for term in terms if term.log is not None]

    def with_values(self, values: Mapping[str, Any]) -> BoundChain:
        """The same terms with other coefficients, tensors say; which of them are switched off is not looked at again.

        :param values: name to value of every coefficient and option
        """
        chain = copy.copy(self)
        chain.steps = [partial(term.function, **term.select(values)) for term in self.terms]
        return chain

    @property
    def needs_old(self) -> bool:
        """Whether the old distribution is needed, for the exact divergence or for what a term prepares."""
        return self.needs_kl or bool(self.preparations)

    def prepare(self, old: Parameters, actions: th.Tensor) -> dict[str, th.Tensor]:
        """What the terms want to know of the old policy, once per rollout.

        :param old: of every valid step
        :param actions: taken there, shape ``(n, action_dim)``
        """
        return {name: tensor for prepare in self.preparations for name, tensor in prepare(old, actions).items()}

    def __call__(self, minibatch: Minibatch) -> th.Tensor:
        """The surrogate to maximise, per sample.

        :param minibatch: what the terms see
        :return: shape ``(batch,)``
        """
        # The product in this order, as in SB3: the other one rounds differently.
        surrogate = minibatch.advantages * minibatch.ratio
        for step in self.steps:
            surrogate = step(surrogate, minibatch)
        return surrogate

    def statistics(self, minibatch: Minibatch) -> dict[str, float]:
        """What the terms log of an update.

        :param minibatch: all samples of the update
        """
        return {key: value.item() for log in self.logs for key, value in log(minibatch).items()}


class Chain:
    """The terms of an objective in order.

    :param terms: may be empty: the plain surrogate, no limit at all
    :raises ValueError: for a term named twice, stages out of order, or two terms that mean different things by a name
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = tuple(terms)
        self._check_order()
        self.coefficients: dict[str, Coefficient] = {}
        self.options: dict[str, Option] = {}
        for term in self.terms:
            for coefficient in term.coefficients:
                if self.coefficients.setdefault(coefficient.name, coefficient) != coefficient:
                    raise ValueError(f"objective: two terms have a coefficient {coefficient.name!r}; rename one")
            self.options.update({option.name: option for option in term.options})

    def _check_order(self) -> None:
        names = [term.name for term in self.terms]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"objective={names}: {sorted(twice)} is there more than once")
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
        """What the terms have to say about these values.

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
    return Chain([_term(part, known) for part in objective])


def _term(part: Any, known: Mapping[str, Term]) -> Term:
    if isinstance(part, Term):
        return part
    if isinstance(part, str):
        if part not in known:
            raise ValueError(one_of("objective", part, known))
        return known[part]
    if callable(part):
        return term_from_function(part)
    raise TypeError(f"objective: {part!r} is neither the name of a term nor a function; names: {', '.join(known)}")
