"""What is measured of an update, worked by hand."""

from __future__ import annotations

import math

import pytest
import torch as th

from sb3_ppo_variants import Minibatch
from sb3_ppo_variants.loop.records import Losses, StepResult
from sb3_ppo_variants.loop.update import UpdateStatistics


def losses(ratios: list[float], policy: float, value: float, entropy: float, total: float) -> Losses:
    minibatch = Minibatch(th.zeros(len(ratios)), th.tensor(ratios).log())
    scalars = [th.tensor(scalar) for scalar in (policy, value, entropy, total)]
    return Losses(minibatch, scalars[0], scalars[1], scalars[2], scalars[3])


@pytest.fixture
def statistics() -> UpdateStatistics:
    """Two epochs of one minibatch, of two samples and of four."""
    statistics = UpdateStatistics()
    for epoch in (losses([1.0, 1.5], 0.1, 4.0, -1.0, 5.0), losses([0.5, 1.0, 1.0, 1.0], 0.3, 2.0, -3.0, 7.0)):
        statistics.start_epoch()
        statistics.record(StepResult.of(epoch, 10.0 * epoch.policy))
    return statistics


def test_the_summary_of_an_update(statistics: UpdateStatistics) -> None:
    assert statistics.summary(clip_range=0.2) == pytest.approx(
        {
            "policy_gradient_loss": 0.2,
            "value_loss": 3.0,
            "entropy_loss": -2.0,
            "loss": 7.0,  # of the last minibatch
            "approx_kl": (math.log(2) - 0.5) / 4,  # (r - 1) - log r, over the last epoch
            "clip_fraction": (1 / 2 + 1 / 4) / 2,  # mean over minibatches
            "ratio_max": 1.5,
            "ratio_deviation": (0.5 + 0.5) / 6,  # mean over samples
            "gradient_steps": 2,
            "grad_norm": 2.0,
        }
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_one_scalar_that_is_not_finite_is_seen(statistics: UpdateStatistics, bad: float) -> None:
    statistics.record(StepResult.of(losses([1.0], 0.1, bad, -1.0, 5.0), th.tensor(1.0)))
    assert not statistics.known_finite


def test_an_epoch_is_known_to_be_finite_whatever_the_one_before_was(statistics: UpdateStatistics) -> None:
    statistics.record(StepResult.of(losses([1.0], 0.1, math.nan, -1.0, 5.0), th.tensor(1.0)))
    statistics.start_epoch()
    statistics.record(StepResult.of(losses([1.0], 0.1, 4.0, -1.0, 5.0), th.tensor(1.0)))
    assert statistics.known_finite


def test_a_wider_range_clips_nothing(statistics: UpdateStatistics) -> None:
    assert statistics.summary(clip_range=0.5)["clip_fraction"] == 0.0


def test_what_must_be_finite_is_that_of_the_epoch(statistics: UpdateStatistics) -> None:
    found = {name: [tensor.tolist() for tensor in tensors] for name, tensors in statistics.of_epoch([]).items()}
    assert found == {
        "the ratio": [[0.5, 1.0, 1.0, 1.0]],
        "the policy loss": [pytest.approx(0.3)],
        "the value loss": [2.0],
        "the entropy loss": [-3.0],
        "the gradient": [pytest.approx(3.0)],
    }


def test_an_update_that_ended_before_its_first_step_has_no_gradient() -> None:
    statistics = UpdateStatistics()
    statistics.start_epoch()
    statistics.record(StepResult.of(losses([1.0], 0.1, 4.0, -1.0, 5.0)))
    assert not statistics.known_finite
    summary = statistics.summary(clip_range=0.2)
    assert summary["gradient_steps"] == 0
    assert "grad_norm" not in summary
