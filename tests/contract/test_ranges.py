"""What a term's record allows, its function can compute."""

from __future__ import annotations

import math

import pytest
import torch as th

from sb3_ppo_variants import Coefficient, Minibatch, Term
from sb3_ppo_variants.chain import Chain
from sb3_ppo_variants.kl import Distributions
from sb3_ppo_variants.terms import TERMS
from tests.contract.classes import term_values

ENDS = [
    (term, coefficient, end)
    for term in TERMS.values()
    for coefficient in term.coefficients
    for end in (coefficient.low + (1e-6 if coefficient.above_low else 0.0), coefficient.high)
    if not (coefficient.finite and math.isinf(end))
]


@pytest.mark.parametrize(
    ("term", "coefficient", "end"), ENDS, ids=[f"{term.name}-{c.name}-{end:g}" for term, c, end in ENDS]
)
def test_the_ends_of_its_range_give_finite_numbers(term: Term, coefficient: Coefficient, end: float) -> None:
    coefficient.check(end)
    chain = Chain([term]).bind(term_values(term) | {coefficient.name: end})
    mean = th.tensor([[0.5], [0.0], [1.0], [0.1]], requires_grad=True)
    log_ratio = th.tensor([0.5, -0.5, 0.0, 0.1], requires_grad=True)
    old, new = (Distributions("normal", (m, th.ones(4, 1))) for m in (th.zeros(4, 1), mean))
    prepared = chain.prepare(old, th.zeros(4, 1))
    surrogate = chain(Minibatch(th.tensor([1.0, -1.0, 1.0, 0.0]), log_ratio, old, new, prepared))
    assert surrogate.isfinite().all()
    (mean.sum() * 0.0 + surrogate.sum()).backward()  # type: ignore[no-untyped-call]
    assert log_ratio.grad is not None
    assert log_ratio.grad.isfinite().all()
    assert mean.grad is not None
    assert mean.grad.isfinite().all()
