"""Faster steps give the same numbers, and what makes them faster ends with the block."""

from __future__ import annotations

import threading
from typing import Any

import gymnasium as gym
import pytest
import torch as th
from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution
from stable_baselines3.common.distributions import DiagGaussianDistribution
from torch.distributions import Distribution, Normal

from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.loop.faster import foreach_steps, fused_steps, without_validation


def parameters() -> list[th.nn.Parameter]:
    th.manual_seed(0)
    made = [th.nn.Parameter(th.randn(shape)) for shape in ((3, 4), (4,), (7,))]
    for parameter in made:
        parameter.grad = th.randn(parameter.shape)
    return made


def test_the_same_numbers_bit_for_bit() -> None:
    one, other = parameters(), parameters()
    plain, together = th.optim.Adam(one, lr=0.1), th.optim.Adam(other, lr=0.1)
    for _ in range(3):
        plain.step()
        with foreach_steps(together):
            together.step()
    assert all(th.equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def test_the_same_numbers_within_rounding() -> None:
    one, other = parameters(), parameters()
    plain, fused = th.optim.Adam(one, lr=0.1), th.optim.Adam(other, lr=0.1)
    for _ in range(3):
        plain.step()
        with fused_steps(fused):
            assert fused.param_groups[0]["fused"] is True
            fused.step()
        assert fused.param_groups[0]["fused"] is None
    assert all(th.allclose(mine, theirs, rtol=1e-6, atol=1e-7) for mine, theirs in zip(one, other, strict=True))


@pytest.mark.parametrize("foreach", [None, False])
def test_parameters_elsewhere_than_on_a_cpu_are_stepped_together(foreach: bool | None) -> None:
    optimizer = th.optim.Adam([th.nn.Parameter(th.zeros(2, device="meta"))], foreach=foreach)
    with fused_steps(optimizer):
        settings = optimizer.param_groups[0]
        assert (settings["fused"], settings["foreach"]) == (None, True if foreach is None else foreach)


def fail_within(optimizer: th.optim.Optimizer) -> None:
    with foreach_steps(optimizer):
        assert optimizer.param_groups[0]["foreach"] is True
        raise ZeroDivisionError


def test_the_setting_holds_within_the_block_alone() -> None:
    optimizer = th.optim.Adam(parameters())
    with pytest.raises(ZeroDivisionError):
        fail_within(optimizer)
    assert optimizer.param_groups[0]["foreach"] is None


class OwnAdam(th.optim.Adam):
    pass


@pytest.mark.parametrize(
    ("cls", "arguments", "foreach"),
    [
        (th.optim.SGD, {"lr": 0.1}, None),
        (OwnAdam, {}, None),
        (th.optim.Adam, {"foreach": False}, False),
        (th.optim.Adam, {"fused": True}, None),
    ],
)
def test_other_optimisers_are_left_as_they_are(cls: Any, arguments: dict[str, Any], foreach: bool | None) -> None:
    optimizer = cls(parameters(), **arguments)
    with foreach_steps(optimizer):
        assert optimizer.param_groups[0]["foreach"] is foreach
    assert optimizer.param_groups[0]["foreach"] is foreach


NAN = th.tensor([[float("nan")]])


class Policy:
    """As much of a policy as makes a distribution."""

    def __init__(self) -> None:
        self.action_dist = DiagGaussianDistribution(1)


def refuses(distribution: DiagGaussianDistribution) -> bool:
    """Whether a mean that is not a number is refused."""
    try:
        distribution.proba_distribution(NAN, th.zeros(1))
    except ValueError:
        return True
    return False


def test_only_the_policy_goes_unchecked() -> None:
    mine, other = Policy(), Policy()
    assert refuses(mine.action_dist)
    with without_validation(mine):
        assert not refuses(mine.action_dist)
        assert type(mine.action_dist.distribution) is Normal
        assert refuses(other.action_dist)
        with pytest.raises(ValueError, match="loc"):
            Normal(NAN, 1.0)
    assert refuses(mine.action_dist)
    assert vars(mine.action_dist).keys() == vars(other.action_dist).keys() | {"distribution"}


def test_an_error_leaves_the_checks_on() -> None:
    policy = Policy()
    with pytest.raises(KeyError), without_validation(policy):
        raise KeyError
    assert refuses(policy.action_dist)


def test_masked_distributions_go_unchecked() -> None:
    policy = Policy()
    policy.action_dist = MaskableCategoricalDistribution(2)  # type: ignore[assignment]
    logits = th.tensor([[float("nan"), 0.0]])
    with without_validation(policy):
        policy.action_dist.proba_distribution(logits)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="logits"):
        policy.action_dist.proba_distribution(logits)  # type: ignore[call-arg]


def test_a_policy_without_a_distribution_is_left_alone() -> None:
    with without_validation(object()):
        pass


def test_trainings_in_threads_leave_the_checks_on() -> None:
    """An update that ends while another begins must not leave its setting to the process."""
    models = [VariantPPO("MlpPolicy", gym.make("CartPole-v1"), n_steps=32, batch_size=16, seed=i) for i in range(2)]
    threads = [threading.Thread(target=model.learn, args=(256,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Distribution._validate_args
    with pytest.raises(ValueError, match="loc"):
        Normal(NAN, 1.0)
