"""The distribution over bins against numbers worked by hand, and what has no bins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import CategoricalDistribution, MultiCategoricalDistribution

from sb3_ppo_variants import BinnedMlpPolicy
from sb3_ppo_variants.kl import distributions_of, kl_divergence
from sb3_ppo_variants.policies.binned import BinnedDistribution, bin_centres, nearest_bins

SPACE = spaces.Box(np.array([-1.0, 0.0], np.float32), np.array([1.0, 4.0], np.float32))
LOG2, LOG3, LOG5 = math.log(2), math.log(3), math.log(5)
OBSERVATIONS = spaces.Box(-1.0, 1.0, (4,), np.float32)


def binned(logits: list[float], ordinal: bool = False) -> BinnedDistribution:
    return BinnedDistribution(bin_centres(SPACE, 3), ordinal).proba_distribution(th.tensor([logits]))


# Probabilities 1/8, 2/8, 5/8 of the bins -1, 0, 1 and 1/4, 1/4, 1/2 of 0, 2, 4.
PLAIN = [0.0, LOG2, LOG5, 0.0, 0.0, LOG2]
# Sums 9, 9 + log 2, 9 + log 6 and 0, 0, log 2: probabilities 1/9, 2/9, 6/9 and 1/4, 1/4, 1/2.
ORDINAL = [9.0, LOG2, LOG3, 0.0, 0.0, LOG2]


def test_bins_reach_from_bound_to_bound() -> None:
    assert bin_centres(SPACE, 3).tolist() == [[-1.0, 0.0, 1.0], [0.0, 2.0, 4.0]]
    odd = spaces.Box(-0.3, 0.7, (1, 2), np.float32)
    centres = bin_centres(odd, 41)
    assert centres.shape == (2, 41)
    assert (centres[:, 0].numpy() == odd.low.ravel()).all()
    assert (centres[:, -1].numpy() == odd.high.ravel()).all()


def test_probabilities_by_hand() -> None:
    actions = th.tensor([[0.0, 4.0]])
    assert binned(PLAIN).log_prob(actions).tolist() == pytest.approx([-2.0794415])  # log(2/8 * 1/2)
    assert binned(ORDINAL, ordinal=True).log_prob(actions).tolist() == pytest.approx([-2.1972246])  # log(2/9 * 1/2)


def test_entropies_by_hand() -> None:
    # log(8)/8 + log(4)/4 + 5/8 log(8/5), and log(4)/2 + log(2)/2.
    assert binned(PLAIN).entropy().tolist() == pytest.approx([0.9002561 + 1.0397208])
    # log(9)/9 + 2/9 log(9/2) + 6/9 log(3/2), and the same second dimension.
    assert binned(ORDINAL, ordinal=True).entropy().tolist() == pytest.approx([0.8486857 + 1.0397208])
    assert binned([0.0] * 6).entropy().tolist() == pytest.approx([2.1972246])  # 2 log(3)


def test_divergences_by_hand() -> None:
    uniform = distributions_of(binned([0.0] * 6))
    plain, ordinal = distributions_of(binned(PLAIN)), distributions_of(binned(ORDINAL, ordinal=True))
    # From the uniform one, log(3) less the entropy for each dimension.
    assert kl_divergence(plain, uniform).tolist() == pytest.approx([0.1983562 + 0.0588915])
    assert kl_divergence(ordinal, uniform).tolist() == pytest.approx([0.2499266 + 0.0588915])
    # 1/8 log(9/8) + 2/8 log(9/8) + 5/8 log(15/16) in the first dimension, nothing in the second.
    assert kl_divergence(plain, ordinal).tolist() == pytest.approx([0.0038318], rel=1e-4)
    assert kl_divergence(plain, plain).tolist() == [0.0]


def test_the_ordinal_sum_is_the_formula_of_the_paper() -> None:
    logits = th.randn(5, 2, 7, generator=th.Generator().manual_seed(0))
    yes, no = logits.sigmoid().log(), (1 - logits.sigmoid()).log()
    sums = [yes[..., : j + 1].sum(-1) + no[..., j + 1 :].sum(-1) for j in range(7)]
    expected = th.stack(sums, dim=-1).softmax(-1)
    ours = BinnedDistribution(bin_centres(SPACE, 7), ordinal=True).proba_distribution(logits.flatten(1))
    assert th.allclose(ours.distribution.probs, expected, atol=1e-6)


def test_actions_are_centres() -> None:
    distribution = binned(PLAIN)
    assert distribution.mode().tolist() == [[1.0, 4.0]]
    assert distribution.get_actions(deterministic=True).tolist() == [[1.0, 4.0]]
    th.manual_seed(0)
    many = BinnedDistribution(bin_centres(SPACE, 3)).proba_distribution(th.tensor([PLAIN] * 20_000)).sample()
    for dimension, shares in enumerate(([1 / 8, 2 / 8, 5 / 8], [1 / 4, 1 / 4, 1 / 2])):
        values, counts = th.unique(many[:, dimension], return_counts=True)
        assert values.tolist() == bin_centres(SPACE, 3)[dimension].tolist()
        assert (counts / 20_000).tolist() == pytest.approx(shares, abs=0.015)


def test_an_action_belongs_to_its_nearest_bin() -> None:
    actions = th.tensor([[-0.51, 0.9], [-0.49, 1.1], [7.0, -3.0]])
    assert nearest_bins(actions, bin_centres(SPACE, 3)).tolist() == [[0, 0], [1, 1], [2, 0]]


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-0.4, 0.4), (0.0, 1e-3), (-1e4, 3e4), (100.0, 101.0)])
@pytest.mark.parametrize("n_bins", [2, 7, 41, 255])
def test_a_centre_is_found_again_whatever_its_rounding(low: float, high: float, n_bins: int) -> None:
    space = spaces.Box(low, high, (1,), np.float32)
    centres = bin_centres(space, n_bins)
    for actions in (centres, centres.nextafter(centres - 1), centres.nextafter(centres + 1), centres.clamp(low, high)):
        assert nearest_bins(actions.t(), centres).flatten().tolist() == list(range(n_bins))


def test_a_dimension_without_extent_has_its_first_bin() -> None:
    space = spaces.Box(np.array([1.0, 0.0]), np.array([1.0, 2.0]), dtype=np.float64)
    assert nearest_bins(th.tensor([[1.0, 2.0]]), bin_centres(space, 3)).tolist() == [[0, 2]]


def test_gradients_are_those_of_a_categorical_distribution() -> None:
    logits = th.tensor([PLAIN], requires_grad=True)
    log_prob = BinnedDistribution(bin_centres(SPACE, 3)).proba_distribution(logits).log_prob(th.tensor([[0.0, 4.0]]))
    (gradient,) = th.autograd.grad(log_prob, logits)
    assert gradient[0].tolist() == pytest.approx([-1 / 8, 3 / 4, -5 / 8, -1 / 4, -1 / 4, 1 / 2])


def test_an_ordinal_gradient_is_that_of_all_bins_above() -> None:
    logits = th.tensor([ORDINAL], requires_grad=True)
    binned = BinnedDistribution(bin_centres(SPACE, 3), ordinal=True).proba_distribution(logits)
    (gradient,) = th.autograd.grad(binned.log_prob(th.tensor([[0.0, 4.0]])), logits)
    # Of the bin and those above it, 1 if the one taken is among them, less their probability; none for the first.
    assert gradient[0].tolist() == pytest.approx([0.0, 1 / 9, -6 / 9, 0.0, 1 / 4, 1 / 2])
    assert gradient[0, 0] == gradient[0, 3] == 0


def test_divergences_of_other_categorical_distributions_are_as_before() -> None:
    single = distributions_of(CategoricalDistribution(3).proba_distribution(th.tensor([PLAIN[:3]])))
    several = distributions_of(MultiCategoricalDistribution([3, 3]).proba_distribution(th.tensor([PLAIN])))
    ours = distributions_of(binned(PLAIN))
    assert [tensor.shape for tensor in single.tensors] == [(1, 3)]
    assert all(th.equal(mine, theirs) for mine, theirs in zip(ours.tensors, several.tensors, strict=True))


UNBOUNDED = spaces.Box(-np.inf, 1.0, (1,), np.float32)
HUGE = spaces.Box(-3e38, 3e38, (1,), np.float32)
INTEGERS = spaces.Box(0, 9, (1,), np.int64)


@pytest.mark.parametrize(
    ("space", "arguments", "said"),
    [
        (spaces.Discrete(4), {}, r"action_space=Discrete\(4\); a binned policy has a Box of floats"),
        (UNBOUNDED, {}, r"action_space=Box\(-inf, 1.0, .*with finite bounds"),
        (INTEGERS, {}, r"action_space=Box\(0, 9, .*a Box of floats"),
        (SPACE, {"use_sde": True}, "use_sde=True; .* use_sde=False"),
        (SPACE, {"n_bins": 1}, "n_bins=1; it is a whole number, at least 2"),
        (SPACE, {"n_bins": 5.0}, "n_bins=5.0; it is a whole number"),
        (SPACE, {"n_bins": True}, "n_bins=True; it is a whole number"),
        (HUGE, {}, "action_space=Box.*; its bounds are too far apart for single precision"),
    ],
)
def test_what_has_no_bins_is_refused(space: spaces.Space[Any], arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"BinnedMlpPolicy: {said}"):
        BinnedMlpPolicy(OBSERVATIONS, space, lambda _: 1e-3, **arguments)


def test_a_number_of_bins_may_be_one_of_numpy() -> None:
    policy = BinnedMlpPolicy(OBSERVATIONS, SPACE, lambda _: 1e-3, n_bins=np.int64(5))  # type: ignore[arg-type]
    assert policy.bin_centres.shape[1] == 5


@pytest.mark.parametrize("flag", ["ordinal", "layer_norm", "residual_actor"])
def test_a_flag_in_words_is_refused(flag: str) -> None:
    with pytest.raises(ValueError, match=f"{flag}='False' is not known"):
        BinnedMlpPolicy(OBSERVATIONS, SPACE, lambda _: 1e-3, **{flag: "False"})  # type: ignore[arg-type]
