"""Exact divergences against closed forms worked by hand and against sampling."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import pytest
import torch as th
from hypothesis import given
from hypothesis import strategies as st
from sb3_contrib.common.maskable.distributions import (
    MaskableBernoulliDistribution,
    MaskableCategoricalDistribution,
    MaskableMultiCategoricalDistribution,
)
from stable_baselines3.common.distributions import (
    BernoulliDistribution,
    CategoricalDistribution,
    DiagGaussianDistribution,
    Distribution,
    MultiCategoricalDistribution,
    SquashedDiagGaussianDistribution,
    StateDependentNoiseDistribution,
)

from sb3_ppo_variants.kl import Distributions, distributions_of, estimate_kl, kl_divergence
from sb3_ppo_variants.loop.kept import KeptDistributions

LOG2, LOG3 = math.log(2), math.log(3)


def kl(p: Distribution, q: Distribution) -> list[float]:
    values: list[float] = kl_divergence(distributions_of(p), distributions_of(q)).tolist()
    return values


def gaussian(cls: Any, mean: list[float], std: list[float]) -> Distribution:
    distribution: Distribution = cls(len(mean)).proba_distribution(th.tensor([mean]), th.tensor(std).log())
    return distribution


@pytest.mark.parametrize("cls", [DiagGaussianDistribution, SquashedDiagGaussianDistribution])
def test_gaussian_by_hand(cls: Any) -> None:
    # Per dimension log(sq / sp) + (sp^2 + (mp - mq)^2) / (2 sq^2) - 1/2: log 2 + 2/8 - 1/2 and 0 + (1 + 9)/2 - 1/2.
    p, q = gaussian(cls, [0.0, 3.0], [1.0, 1.0]), gaussian(cls, [1.0, 0.0], [2.0, 1.0])
    assert kl(p, q) == pytest.approx([LOG2 - 0.25 + 4.5])
    # The other way: -log 2 + (4 + 1)/2 - 1/2, and 4.5 again.
    assert kl(q, p) == pytest.approx([-LOG2 + 2.0 + 4.5])


def test_state_dependent_exploration_by_hand() -> None:
    # The variance is latent^2 @ std^2 + epsilon: 1 for p and 4 for q with this latent and these weights.
    def make(mean: float, std: float) -> Distribution:
        distribution = StateDependentNoiseDistribution(1, epsilon=0.0)
        distribution.proba_distribution_net(latent_dim=2)
        latent, log_std = th.tensor([[0.6, 0.8]]), th.full((2, 1), math.log(std))
        return distribution.proba_distribution(th.tensor([[mean]]), log_std, latent)

    assert kl(make(0.0, 1.0), make(1.0, 2.0)) == pytest.approx([LOG2 - 0.25])


def test_categorical_by_hand() -> None:
    p = CategoricalDistribution(3).proba_distribution(th.tensor([[0.5, 0.25, 0.25]]).log())
    q = CategoricalDistribution(3).proba_distribution(th.tensor([[0.25, 0.25, 0.5]]).log())
    # 0.5 log 2 + 0 - 0.25 log 2
    assert kl(p, q) == pytest.approx([0.25 * LOG2])


def test_multi_categorical_sums_over_dimensions() -> None:
    p = MultiCategoricalDistribution([2, 3]).proba_distribution(th.tensor([[0.5, 0.5, 0.5, 0.25, 0.25]]).log())
    q = MultiCategoricalDistribution([2, 3]).proba_distribution(th.tensor([[0.75, 0.25, 0.25, 0.25, 0.5]]).log())
    # First dimension: 0.5 log(0.5 / 0.75) + 0.5 log(0.5 / 0.25) = log 2 - 0.5 log 3.
    assert kl(p, q) == pytest.approx([LOG2 - 0.5 * LOG3 + 0.25 * LOG2])


def test_bernoulli_sums_over_dimensions() -> None:
    # Logit 0 is 1/2, logit log 3 is 3/4; each dimension of p = 1/2 against 3/4 gives log 2 - 0.5 log 3.
    p = BernoulliDistribution(2).proba_distribution(th.tensor([[0.0, 0.0]]))
    q = BernoulliDistribution(2).proba_distribution(th.tensor([[LOG3, -LOG3]]))
    assert kl(p, q) == pytest.approx([2 * LOG2 - LOG3], abs=1e-6)


def test_masked_choices_contribute_nothing() -> None:
    masks = np.array([[True, True, False]])
    logits = th.tensor([[0.0, LOG3, 5.0]], requires_grad=True)
    p = MaskableCategoricalDistribution(3).proba_distribution(th.zeros(1, 3))
    q = MaskableCategoricalDistribution(3).proba_distribution(logits)
    p.apply_masking(masks)
    q.apply_masking(masks)
    assert kl(p, q) == pytest.approx([LOG2 - 0.5 * LOG3])
    kl_divergence(distributions_of(p), distributions_of(q)).sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert abs(logits.grad[0, 2].item()) < 1e-6
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("distribution", "width"),
    [(MaskableMultiCategoricalDistribution([2, 3]), 5), (MaskableBernoulliDistribution(2), 4)],
)
def test_masked_several_dimensions(distribution: Any, width: int) -> None:
    masks = np.ones((4, width), dtype=bool)
    masks[:, 0] = False
    distribution.proba_distribution(th.randn(4, width))
    distribution.apply_masking(masks)
    parameters = distributions_of(distribution)
    assert len(parameters.tensors) == 2
    assert kl_divergence(parameters, parameters).tolist() == [0.0] * 4


def test_a_lost_choice_is_infinite() -> None:
    p = Distributions("categorical", (th.tensor([[0.5, 0.5]]).log(),))
    q = Distributions("categorical", (th.tensor([[1.0, 0.0]]).log(),))
    assert kl_divergence(p, q).tolist() == [math.inf]
    assert kl_divergence(q, p).tolist() == pytest.approx([LOG2])


N_SAMPLES = 200_000
UNMASKED = ["gaussian", "squashed", "state_dependent", "categorical", "multi_categorical", "bernoulli"]
KINDS = [*UNMASKED, "masked_categorical", "masked_multi_categorical", "masked_bernoulli"]


def random_distribution(kind: str, generator: th.Generator) -> Distribution:
    """The same distribution in ``N_SAMPLES`` rows, so that one call samples it that often."""

    def rows(width: int) -> th.Tensor:
        return th.randn(1, width, generator=generator).expand(N_SAMPLES, width)

    distribution: Any
    if kind in ("gaussian", "squashed"):
        distribution = (DiagGaussianDistribution if kind == "gaussian" else SquashedDiagGaussianDistribution)(3)
        return cast(Distribution, distribution.proba_distribution(rows(3), 0.3 * th.randn(3, generator=generator)))
    if kind == "state_dependent":
        distribution = StateDependentNoiseDistribution(2)
        distribution.proba_distribution_net(latent_dim=3)
        latent = th.tensor([[0.5, -0.3, 0.8]]).expand(N_SAMPLES, 3)
        log_std = 0.3 * th.randn(3, 2, generator=generator)
        return cast(Distribution, distribution.proba_distribution(rows(2), log_std, latent))
    distribution, width = {
        "categorical": (CategoricalDistribution(4), 4),
        "multi_categorical": (MultiCategoricalDistribution([2, 3]), 5),
        "bernoulli": (BernoulliDistribution(3), 3),
        "masked_categorical": (MaskableCategoricalDistribution(4), 4),
        "masked_multi_categorical": (MaskableMultiCategoricalDistribution([2, 3]), 5),
        "masked_bernoulli": (MaskableBernoulliDistribution(3), 6),
    }[kind]
    distribution.proba_distribution(rows(width))
    if kind.startswith("masked"):
        masks = np.ones((N_SAMPLES, width), dtype=bool)
        masks[:, 3] = False
        distribution.apply_masking(masks)
    return cast(Distribution, distribution)


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_sampling(kind: str) -> None:
    """Both directions: the mean of log p - log q over samples of p, within four standard errors."""
    th.manual_seed(0)
    generator = th.Generator().manual_seed(1)
    one, other = random_distribution(kind, generator), random_distribution(kind, generator)
    for p, q in ((one, other), (other, one)):
        # State-dependent noise gives every row of a batch the same noise; the Gaussian behind it does not.
        actions = cast(Any, p.distribution).sample() if kind == "state_dependent" else p.sample()
        sampled = p.log_prob(actions) - q.log_prob(actions)
        error = sampled.std().item() / math.sqrt(N_SAMPLES)
        assert error > 0
        assert kl(p, q)[0] == pytest.approx(sampled.mean().item(), abs=4 * error)


@pytest.mark.parametrize("estimator", ["k1", "k3"])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_estimators_have_the_right_mean(estimator: Any, direction: Any) -> None:
    # Exact means over the four actions, weighted by the old policy.
    old, new = th.tensor([0.4, 0.3, 0.2, 0.1]).double(), th.tensor([0.1, 0.2, 0.3, 0.4]).double()
    p, q = (old, new) if direction == "forward" else (new, old)
    expected = (p * (p / q).log()).sum().item()
    estimate = (old * estimate_kl((new / old).log(), estimator, direction)).sum().item()
    assert estimate == pytest.approx(expected)


# Of a ratio of 2, with log 2 = 0.6931472: -log 2, (log 2)^2 / 2 and 1 - log 2; twice those of 1/2.
@pytest.mark.parametrize(
    ("estimator", "forward", "reverse"),
    [("k1", -0.6931472, 1.3862944), ("k2", 0.2402265, 0.4804530), ("k3", 0.3068528, 0.3862944)],
)
def test_estimators_by_hand(estimator: Any, forward: float, reverse: float) -> None:
    ratio = th.tensor([2.0], dtype=th.float64).log()
    assert float(estimate_kl(ratio, estimator)) == pytest.approx(forward, abs=1e-7)
    assert float(estimate_kl(ratio, estimator, "reverse")) == pytest.approx(reverse, abs=1e-7)


@pytest.mark.parametrize("log_ratio", [-89.0, -200.0])
def test_a_small_ratio_does_not_overflow(log_ratio: float) -> None:
    """r log r - (r - 1) is 1 at r = 0, with the gradient log r times r, which is 0."""
    small = th.tensor([log_ratio], requires_grad=True)
    estimate = estimate_kl(small, "k3", "reverse")
    estimate.sum().backward()  # type: ignore[no-untyped-call]
    assert estimate.item() == 1.0
    assert small.grad is not None
    assert abs(small.grad.item()) < 1e-30


@given(st.floats(-8, 8))
def test_k2_and_k3_are_never_negative(log_ratio: float) -> None:
    for direction in ("forward", "reverse"):
        for estimator in ("k2", "k3"):
            assert float(estimate_kl(th.tensor(log_ratio, dtype=th.float64), estimator, direction)) >= -1e-12


def test_rows_apart_and_together() -> None:
    logits = th.arange(12.0).reshape(6, 2).log_softmax(-1)
    parameters = Distributions("categorical", (logits,))
    kept = KeptDistributions()
    for rows in ([0, 1, 2, 3], [4, 5]):
        kept.append(parameters.select_rows(th.tensor(rows)))
    assert th.equal(kept.all().tensors[0], logits)
    assert th.equal(parameters.select_rows(th.tensor([5, 0])).tensors[0], logits[[5, 0]])


def test_unknown_distribution_is_refused() -> None:
    distribution = gaussian(DiagGaussianDistribution, [0.0], [1.0])
    distribution.distribution = th.distributions.Beta(th.ones(1), th.ones(1))
    with pytest.raises(TypeError, match="DiagGaussianDistribution"):
        distributions_of(distribution)


def test_unknown_estimator_is_refused() -> None:
    with pytest.raises(ValueError, match="k4"):
        estimate_kl(th.zeros(1), "k4")  # type: ignore[arg-type]


def test_both_have_as_many_dimensions() -> None:
    half = th.full((1, 2), 0.5).log()
    with pytest.raises(ValueError, match="shorter"):
        kl_divergence(Distributions("categorical", (half, half)), Distributions("categorical", (half,)))


def test_parameters_are_a_record() -> None:
    with pytest.raises(AttributeError):
        Distributions("bernoulli", (th.zeros(1, 2),)).tensors = ()  # type: ignore[misc]
