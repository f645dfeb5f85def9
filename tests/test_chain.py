from __future__ import annotations

import math
from typing import Any

import pytest
import torch as th

from sb3_ppo_variants import Coefficient, Minibatch, Option, Term
from sb3_ppo_variants.chain import Chain, build_chain
from sb3_ppo_variants.terms import TERMS
from tests.terms.minibatches import minibatch, together

VALUES = {
    "clip_range": 0.2,
    "dual_clip": 3.0,
    "kl_coef": 0.5,
    "kl_direction": "forward",
    "kl_estimator": "exact",
}


def test_no_terms_is_the_plain_surrogate() -> None:
    batch = minibatch([2.0, -2.0], [5.0, 5.0])
    assert build_chain([], TERMS).bind({})(batch).tolist() == pytest.approx([10.0, -10.0])


def test_all_at_once() -> None:
    # A = -2, r = 5: clip leaves -10, dual clip -6, the penalty takes 0.5 * 2^2 / 2 = 1 off.
    # A = 2, r = 1.3: clip 2.4, dual clip nothing, the penalty nothing at mean 0.
    batch = minibatch([-2.0, 2.0], [5.0, 1.3], mean=[2.0, 0.0])
    chain = build_chain(["clip", "dual_clip", "kl_penalty"], TERMS).bind(VALUES)
    assert chain.needs_kl
    assert chain(batch).tolist() == pytest.approx([-7.0, 2.4])
    assert chain.statistics(batch.detach()) == {
        "clip_fraction_removed": pytest.approx(0.5),
        "clip_fraction_alive": pytest.approx(0.5),
        "dual_clip_fraction": pytest.approx(0.5),
        "kl_penalty": pytest.approx(0.5),
    }


@pytest.mark.parametrize("values", [{"kl_coef": 0.0}, {"dual_clip": math.inf}])
def test_a_term_that_is_off_is_absent(values: dict[str, float]) -> None:
    chain = build_chain(["clip", "dual_clip", "kl_penalty"], TERMS).bind(VALUES | values)
    assert len(chain.steps) == 2
    assert chain.needs_kl == ("kl_coef" not in values)


@pytest.mark.parametrize(
    ("objective", "error", "message"),
    [
        (
            ["clpi"],
            ValueError,
            "objective='clpi'.*Did you mean 'clip'.*'dual_clip', 'positive_advantage', 'kl_penalty'",
        ),
        (["clip", "clip"], ValueError, "more than once"),
        (["kl_penalty", "clip"], ValueError, r"'clip' \(shape\) cannot come after 'kl_penalty' \(penalty\)"),
        (["clip", "kl_penalty", "dual_clip"], ValueError, r"'dual_clip' \(bound\) cannot come after"),
        (["clip", 3], TypeError, "3 is neither a name nor a function"),
    ],
)
def test_bad_objectives_are_named(objective: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build_chain(objective, TERMS)


def entropy_like(surrogate: th.Tensor, minibatch: Minibatch, *, my_coef: float = 0.5) -> th.Tensor:
    return surrogate - my_coef * minibatch.log_ratio.square()


def test_a_function_of_ones_own() -> None:
    chain = build_chain(["clip", entropy_like], TERMS)
    assert chain.coefficients["my_coef"] == Coefficient("my_coef", 0.5)
    bound = chain.bind({"clip_range": 0.2, "my_coef": 2.0})
    assert bound(minibatch([1.0], [math.e])).tolist() == pytest.approx([1.2 - 2.0])
    assert not bound.needs_kl


def test_a_function_may_read_the_clip_range_and_the_exact_kl() -> None:
    def mine(surrogate: th.Tensor, minibatch: Minibatch, *, clip_range: float) -> th.Tensor:
        return surrogate - clip_range * minibatch.kl("reverse")

    bound = build_chain([mine], TERMS).bind({"clip_range": 0.5})
    assert bound.needs_kl
    assert bound(minibatch([1.0], [1.0], mean=[2.0])).tolist() == pytest.approx([0.0])


def test_a_function_that_returns_a_mean_is_refused() -> None:
    def mean(surrogate: th.Tensor, minibatch: Minibatch) -> th.Tensor:
        return surrogate.mean()

    with pytest.raises(ValueError, match="mean must return one value per sample"):
        build_chain([mean], TERMS)


def test_a_default_that_is_no_number_is_refused() -> None:
    def mine(surrogate: th.Tensor, minibatch: Minibatch, *, kind: str = "soft") -> th.Tensor:
        return surrogate

    with pytest.raises(ValueError, match="mine: default of kind='soft'"):
        build_chain([mine], TERMS)


def test_two_meanings_of_one_name_are_refused() -> None:
    other = Term("other", lambda s, m, *, kl_coef: s, coefficients=(Coefficient("kl_coef", 7.0),))
    with pytest.raises(ValueError, match="'kl_coef'"):
        Chain([TERMS["kl_penalty"], other])


def test_asking_for_the_kl_unannounced_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="needs_kl"):
        minibatch([1.0], [1.0]).kl()


def test_option_and_coefficient_ranges() -> None:
    with pytest.raises(ValueError, match=r"kl_estimator='k9'.*'exact', 'k1', 'k2', 'k3'"):
        Option("kl_estimator", ("exact", "k1", "k2", "k3"), "exact").check("k9")
    with pytest.raises(ValueError, match=r"c=1.0 is not allowed: a number in \(1.0, inf\)"):
        Coefficient("c", low=1.0, above_low=True).check(1.0)
    with pytest.raises(ValueError, match="c='lin_3' reaches 0.0"):
        Coefficient("c", low=1.0).check(0.0, shown="lin_3")


def test_concatenated_minibatches_keep_the_divergence() -> None:
    parts = [minibatch([1.0, 2.0], [1.0, 1.0], mean=[0.0, 2.0]), minibatch([3.0], [2.0], mean=[4.0])]
    for part in parts:
        part.kl()
    whole = together(parts)
    assert whole.advantages.tolist() == [1.0, 2.0, 3.0]
    assert whole.kl().tolist() == [0.0, 2.0, 8.0]
