"""What every listed term keeps to; a new one is covered as soon as it is in ``TERMS``."""

from __future__ import annotations

import inspect
import itertools
import pkgutil
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch as th

import sb3_ppo_variants.terms
from sb3_ppo_variants import Coefficient, Minibatch, Term
from sb3_ppo_variants.chain import STAGES, BoundChain, Chain, build_chain
from sb3_ppo_variants.kl import Distributions, estimate_kl
from sb3_ppo_variants.terms import TERMS
from tests.contract.classes import nonzero_value, option_choices, term_values
from tests.terms.minibatches import together

FAMILIES = ("normal", "categorical", "bernoulli")
# A term whose gradient at the old policy is not the policy gradient says so, and why, in these words.
SAYS_WHY = "not the policy gradient"

each_term = pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
CHOICES = [(term, options) for term in TERMS.values() for options in option_choices(term)]
each_choice = pytest.mark.parametrize(
    ("term", "options"), CHOICES, ids=["-".join([term.name, *options.values()]) for term, options in CHOICES]
)


def parameters(family: Any, batch: int, dtype: th.dtype, seed: int) -> Distributions:
    generator = th.Generator().manual_seed(seed)
    numbers = th.randn(batch, 3, generator=generator, dtype=dtype)
    if family == "normal":
        return Distributions(family, (numbers, numbers.flip(0).exp()))
    if family == "categorical":
        return Distributions(family, (numbers.log_softmax(-1), numbers.flip(0).log_softmax(-1)))
    return Distributions(family, (numbers,))


def leaves(parameters: Distributions) -> Distributions:
    return Distributions(parameters.family, tuple(tensor.clone().requires_grad_() for tensor in parameters.tensors))


def minibatch(
    advantages: Sequence[float], log_ratio: Sequence[float], family: str = "normal", dtype: th.dtype = th.float32
) -> Minibatch:
    """Samples whose log-ratios and new distributions are leaves of the graph."""
    batch = len(advantages)
    return Minibatch(
        th.tensor(advantages, dtype=dtype),
        th.tensor(log_ratio, dtype=dtype, requires_grad=True),
        parameters(family, batch, dtype, seed=0),
        leaves(parameters(family, batch, dtype, seed=1)),
    )


def taken(old: Distributions) -> th.Tensor:
    """Some actions in the space of a distribution, shape (batch, action_dim)."""
    if old.family == "normal":
        return old.tensors[0] + th.linspace(-2, 2, old.tensors[0].numel()).reshape(old.tensors[0].shape)
    dimensions = old.tensors[0].shape[-1] if old.family == "bernoulli" else len(old.tensors)
    return th.arange(len(old.tensors[0])).unsqueeze(-1).expand(-1, dimensions) % 2


def apply(term: Term, batch: Minibatch, **values: Any) -> th.Tensor:
    """The term on the plain surrogate, prepared as in an update."""
    everything = term_values(term) | values
    if term.prepare is not None and not batch.prepared:
        assert batch._old is not None
        batch.prepared = term.prepare(batch._old, taken(batch._old), **everything)
    return term.function(batch.advantages * batch.ratio, batch, **everything)


def inputs(batch: Minibatch) -> list[th.Tensor]:
    assert batch._new is not None
    return [batch.log_ratio, *batch._new.tensors]


def gradients(output: th.Tensor, batch: Minibatch) -> list[th.Tensor]:
    return list(th.autograd.grad(output, inputs(batch), allow_unused=True, materialize_grads=True, retain_graph=True))


SAMPLES = list(itertools.product((-1.0, 0.0, 1.0), (-2.0, -0.1, 0.0, 0.1, 2.0)))
ADVANTAGES, LOG_RATIOS = [list(column) for column in zip(*SAMPLES, strict=True)]


@pytest.mark.parametrize("dtype", [th.float32, th.float64], ids=str)
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("family", FAMILIES)
@each_choice
def test_keeps_shape_and_dtype(
    term: Term, options: dict[str, str], family: str, batch_size: int, dtype: th.dtype
) -> None:
    batch = minibatch(ADVANTAGES[:batch_size], LOG_RATIOS[:batch_size], family, dtype)
    output = apply(term, batch, **options)
    assert output.shape == (batch_size,)
    assert output.dtype == dtype


@pytest.mark.parametrize("family", FAMILIES)
@each_choice
def test_is_finite_for_extreme_ratios(term: Term, options: dict[str, str], family: str) -> None:
    ratios = th.logspace(-6, 6, 25)
    samples = list(itertools.product((-1.0, 0.0, 1.0), ratios.log().tolist()))
    advantages, log_ratio = zip(*samples, strict=True)
    batch = minibatch(advantages, log_ratio, family)
    output = apply(term, batch, **options)
    assert output.isfinite().all()
    for gradient in gradients(output.sum(), batch):
        assert gradient.isfinite().all()


@each_choice
def test_changes_none_of_its_inputs(term: Term, options: dict[str, str]) -> None:
    batch = minibatch(ADVANTAGES, LOG_RATIOS)
    surrogate = (batch.advantages * batch.ratio).detach()
    assert batch._old is not None
    tensors = [surrogate, batch.advantages, batch.ratio, *inputs(batch), *batch._old.tensors]
    before = [tensor.detach().clone() for tensor in tensors]
    values = term_values(term) | options
    apply(term, batch, **values)
    first = term.function(surrogate, batch, **values)
    assert th.equal(first, term.function(surrogate, batch, **values))
    for tensor, kept in zip(tensors, before, strict=True):
        assert th.equal(tensor, kept)


class OldPolicy:
    """A categorical policy of one state, at the parameters that the actions were drawn with."""

    def __init__(self) -> None:
        self.logits = th.tensor([0.3, -0.5, 1.1, 0.0], dtype=th.float64, requires_grad=True)
        self.advantages = th.tensor([1.0, -2.0, 0.5, 0.0], dtype=th.float64)
        self.log_prob = self.logits.log_softmax(-1)

    def batch(self) -> Minibatch:
        """One sample of each action."""
        each = self.log_prob.expand(4, 4)
        old, new = Distributions("categorical", (each.detach(),)), Distributions("categorical", (each,))
        return Minibatch(self.advantages, self.log_prob - self.log_prob.detach(), old, new)

    def gradient(self, scalar: th.Tensor) -> th.Tensor:
        (gradient,) = th.autograd.grad(scalar, self.logits, retain_graph=True)
        return gradient


def explained(term: Term) -> bool:
    return SAYS_WHY in (term.function.__doc__ or "")


def noisy(term: Term, options: dict[str, str]) -> bool:
    """Whether the docs say of a choice that its gradient at the old policy is right on average alone."""
    text = f"{term.function.__doc__} {estimate_kl.__doc__}"
    return any(f"``{value}`` is noise" in text for value in options.values())


@each_choice
def test_is_the_policy_gradient_at_the_old_policy(term: Term, options: dict[str, str]) -> None:
    """For each sample: the value is the advantage, the gradient that of A log pi."""
    defaults = {option.name: option.default for option in term.options}
    if explained(term) or (noisy(term, options) and options != defaults):
        pytest.skip("its docstring says why not")
    policy = OldPolicy()
    output = apply(term, policy.batch(), **options)
    assert output.tolist() == pytest.approx(policy.advantages.tolist())
    for action, advantage in enumerate(policy.advantages):
        expected = policy.gradient(advantage * policy.log_prob[action])
        assert th.allclose(policy.gradient(output[action]), expected, atol=1e-12)


@each_choice
def test_is_the_policy_gradient_in_expectation(term: Term, options: dict[str, str]) -> None:
    """With every option, over the actions of the old policy: an estimator may be noisy there, but not biased."""
    policy = OldPolicy()
    output = apply(term, policy.batch(), **options)
    if explained(term):
        pytest.skip("its docstring says why not")
    weights = policy.log_prob.exp().detach()
    expected = policy.gradient((weights * policy.advantages * policy.log_prob).sum())
    assert th.allclose(policy.gradient((weights * output).sum()), expected, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
@each_choice
def test_samples_do_not_leak_into_each_other(term: Term, options: dict[str, str], family: str) -> None:
    if term.per_batch:
        pytest.skip("its record says that it couples the samples of a minibatch")
    batch = minibatch(ADVANTAGES, LOG_RATIOS, family)
    output = apply(term, batch, **options)
    for i in range(len(output)):
        for gradient in gradients(output[i], batch):
            others = th.arange(len(output)) != i
            assert not gradient[others].any()
    changed = minibatch([9.0, *ADVANTAGES[1:]], [0.7, *LOG_RATIOS[1:]], family)
    assert th.equal(apply(term, changed, **options)[1:], output[1:])


@each_term
def test_says_truly_whether_it_couples_samples(term: Term) -> None:
    batch = minibatch(ADVANTAGES, LOG_RATIOS)
    leaks = [gradient[1:].any() for gradient in gradients(apply(term, batch)[0], batch)]
    assert any(leaks) == term.per_batch


@each_choice
def test_says_truly_whether_it_needs_the_divergence(term: Term, options: dict[str, str]) -> None:
    batch = minibatch(ADVANTAGES, LOG_RATIOS)
    apply(term, batch, **options)
    assert batch.asked_for_kl == term.asks_for_kl(term_values(term) | options)


COEFFICIENTS = [(term, coefficient) for term in TERMS.values() for coefficient in term.coefficients]
each_coefficient = pytest.mark.parametrize(
    ("term", "coefficient"), COEFFICIENTS, ids=[f"{term.name}-{c.name}" for term, c in COEFFICIENTS]
)


def allowed(coefficient: Coefficient, value: float) -> bool:
    try:
        coefficient.check(value)
    except ValueError:
        return False
    return True


@each_coefficient
def test_default_and_off_are_in_range(term: Term, coefficient: Coefficient) -> None:
    for value in (coefficient.default, coefficient.off):
        if value is not None:
            coefficient.check(value)
    assert coefficient.default is None or coefficient.default != coefficient.off


@each_choice
def test_the_plain_surrogate_at_off(term: Term, options: dict[str, str]) -> None:
    """The chain leaves the term out, and the term itself has nothing to add there: no jump on the way to off."""
    batch = minibatch(ADVANTAGES, LOG_RATIOS)
    for coefficient in term.coefficients:
        if coefficient.off is None:
            continue
        values = term_values(term) | options | {coefficient.name: coefficient.off}
        assert Chain([term]).bind(values).steps == []
        assert not Chain([term]).bind(values).needs_kl
        assert th.equal(apply(term, batch, **values), batch.advantages * batch.ratio)


def distance_from_plain(term: Term, values: dict[str, Any]) -> th.Tensor:
    """Distance from the plain surrogate, of the value and of the slope of each sample."""
    batch = minibatch(ADVANTAGES, LOG_RATIOS, dtype=th.float64)
    assert batch._old is not None
    # Divergences from 0 to 0.13, so that limits on them lie in between.
    mean, std = batch._old.tensors
    shifts = 0.3 * (th.arange(len(mean)) * 7 % len(mean)).unsqueeze(-1) / len(mean)
    batch._new = leaves(Distributions("normal", (mean + shifts * std, std)))
    plain = batch.advantages * batch.ratio
    output = apply(term, batch, **values)
    slopes = gradients(output.sum(), batch)[0] - gradients(plain.sum(), batch)[0]
    return th.cat([output - plain, slopes]).detach().abs()


@each_coefficient
def test_moves_away_from_the_plain_surrogate_as_it_tightens(term: Term, coefficient: Coefficient) -> None:
    if coefficient.tighter is None:
        pytest.skip("the record does not say which way is tighter")
    base = nonzero_value(coefficient)
    values = [base * factor for factor in (0.25, 0.5, 1.0, 2.0, 4.0) if allowed(coefficient, base * factor)]
    assert len(values) > 2
    for options in option_choices(term):
        distances = th.stack([distance_from_plain(term, options | {coefficient.name: value}) for value in values])
        steps = distances.diff(dim=0) * (1 if coefficient.tighter == "up" else -1)
        assert (steps >= -1e-12).all()
        assert (steps > 1e-6).any()


@each_term
def test_the_docstring_has_what_a_reader_needs(term: Term) -> None:
    text = inspect.getdoc(term.function) or ""
    assert ".. math::" in text
    assert re.search(r"arXiv[ :]\d{4}\.\d{4,5}|\b(19|20)\d\d\b", text)
    assert "radient" in text
    assert re.search(r"switch\w*\s+(\S+\s+){0,3}off", text), "how to switch it off"
    for name in ("surrogate", *(argument.name for argument in term.arguments)):
        assert re.search(rf":param {name}: \S", text), name


@each_term
def test_the_record_agrees_with_the_functions(term: Term) -> None:
    names = {argument.name for argument in term.arguments}
    assert term.stage in STAGES
    for function in filter(None, (term.function, term.log, term.prepare)):
        parameters = inspect.signature(function).parameters.values()
        assert {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} == names
    assert all("_" in name for name in names), "one word is soon taken by another term or by the host"
    for option in term.options:
        option.check(option.default)
    if term.caution is not None:
        assert term.caution(term_values(term)) is None


def log_keys(term: Term) -> set[str]:
    batch = minibatch(ADVANTAGES, LOG_RATIOS)
    apply(term, batch)
    return set() if term.log is None else set(term.log(batch.detach(), **term_values(term)))


@each_choice
def test_logs_finite_scalars_under_names_of_its_own(term: Term, options: dict[str, str]) -> None:
    if term.log is None:
        pytest.skip("logs nothing")
    batch = minibatch(ADVANTAGES, LOG_RATIOS)
    chain = Chain([term]).bind(term_values(term) | options)
    apply(term, batch, **options)
    whole = together([batch, batch])
    for key, value in term.log(whole, **(term_values(term) | options)).items():
        assert value.shape == ()
        assert value.isfinite()
        assert not any(key in log_keys(other) for other in TERMS.values() if other is not term), key
    assert set(chain.statistics(whole)) == set(term.log(whole, **(term_values(term) | options)))


def test_every_file_is_listed_and_tested() -> None:
    files = {module.name for module in pkgutil.iter_modules(sb3_ppo_variants.terms.__path__)}
    assert files == set(TERMS)
    for name, term in TERMS.items():
        assert term.name == name
        assert term.function.__module__ == f"sb3_ppo_variants.terms.{name}"
        assert (Path(__file__).parents[1] / "terms" / f"test_{name}.py").exists()


def stage(name: str) -> int:
    kind = TERMS[name].stage
    assert kind is not None
    return STAGES.index(kind)


def in_order(names: Sequence[str]) -> bool:
    stages = [stage(name) for name in names]
    return stages == sorted(stages)


PAIRS = list(itertools.permutations(TERMS, 2))


@pytest.mark.parametrize("objective", PAIRS, ids="-".join)
def test_every_pair_builds_or_is_refused(objective: tuple[str, ...]) -> None:
    check_objective(objective)


@pytest.mark.slow
def test_every_triple_builds_or_is_refused() -> None:
    for objective in itertools.permutations(TERMS, 3):
        check_objective(objective)


def check_objective(objective: tuple[str, ...]) -> None:
    if not in_order(objective):
        with pytest.raises(ValueError, match=r"cannot come after .*the order is"):
            build_chain(objective, TERMS)
        return
    bound, batch = bound_chain(objective), minibatch(ADVANTAGES, LOG_RATIOS)
    assert batch._old is not None
    batch.prepared = bound.prepare(batch._old, taken(batch._old))
    output = bound(batch)
    assert output.shape == (len(ADVANTAGES),)
    for gradient in gradients(output.sum(), batch):
        assert gradient.isfinite().all()
    assert all(isinstance(value, float) for value in bound.statistics(batch.detach()).values())


def bound_chain(objective: Sequence[str]) -> BoundChain:
    chain = build_chain(objective, TERMS)
    return chain.bind({name: value for term in chain.terms for name, value in term_values(term).items()})


@pytest.mark.slow
@each_choice
def test_compiles_as_one_graph(term: Term, options: dict[str, str]) -> None:
    values = term_values(term) | options

    def run(surrogate: th.Tensor, batch: Minibatch) -> th.Tensor:
        return term.function(surrogate, batch, **values)

    th.compiler.reset()  # what other terms compiled counts against this one's number of versions
    batch, again = minibatch(ADVANTAGES, LOG_RATIOS), minibatch(ADVANTAGES, LOG_RATIOS)
    for each in (batch, again):
        apply(term, each, **options)
    eager = run(batch.advantages * batch.ratio, batch)
    compiled = th.compile(run, fullgraph=True)(again.advantages * again.ratio, again)
    pairs = zip(gradients(compiled.sum(), again), gradients(eager.sum(), batch), strict=True)
    for mine, theirs in [(compiled, eager), *pairs]:
        # Small numbers beside large ones are differences of those.
        assert th.allclose(mine, theirs, atol=1e-7 * max(10.0, float(theirs.abs().max())))
