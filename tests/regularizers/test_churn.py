from __future__ import annotations

import math

import pytest
import torch as th

from sb3_ppo_variants import Minibatch
from sb3_ppo_variants.kl import Distributions
from sb3_ppo_variants.minibatch import StatesApart
from sb3_ppo_variants.regularizers.churn import churn


def normal(mean: float, std: float) -> Distributions:
    return Distributions("normal", (th.full((2, 1), mean, requires_grad=True), th.full((2, 1), std)))


def with_apart(before: Distributions, now: Distributions) -> Minibatch:
    return Minibatch(th.zeros(3), th.zeros(3), apart=StatesApart(before, now))


def test_a_mean_that_moves_by_one_standard_deviation() -> None:
    # KL(N(0, 1) || N(1, 1)) = 1/2
    assert churn(with_apart(normal(0.0, 1.0), normal(1.0, 1.0)), churn_coef=4.0).tolist() == [2.0, 2.0]


def test_the_policy_before_comes_first() -> None:
    # KL(N(0, 1) || N(0, 2)) = log 2 - 3/8, KL(N(0, 2) || N(0, 1)) = 3/2 - log 2
    assert churn(with_apart(normal(0.0, 1.0), normal(0.0, 2.0)), churn_coef=1.0)[0].item() == pytest.approx(
        math.log(2) - 0.375
    )
    assert churn(with_apart(normal(0.0, 2.0), normal(0.0, 1.0)), churn_coef=1.0)[0].item() == pytest.approx(
        1.5 - math.log(2)
    )


def test_no_gradient_where_nothing_has_changed() -> None:
    now = normal(0.3, 0.5)
    loss = churn(with_apart(normal(0.3, 0.5), now), churn_coef=100.0)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert loss.tolist() == [0.0, 0.0]
    assert now.tensors[0].grad is not None
    assert now.tensors[0].grad.tolist() == [[0.0], [0.0]]
