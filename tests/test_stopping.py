"""Conditions with their limits, from what a user wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch as th

from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.stopping import Stop, build_stopping
from tests import own_code
from tests.terms.minibatches import minibatch

LIMIT = Number("limit", low=0.0, above_low=True)
KNOWN = {
    "largest": Stop("largest", LIMIT, of_minibatch=lambda batch: batch.ratio.max()),
    "mean": Stop("mean", LIMIT, of_rollout=lambda kl: kl.mean()),
    "top": Stop("top", LIMIT, of_rollout=lambda kl: kl.max()),
}


def test_nothing_stops_without_a_condition() -> None:
    stopping = build_stopping(None, KNOWN)
    assert stopping.of_minibatch == []
    assert not stopping.needs_kl
    assert not stopping.after_epoch(th.tensor([1e9]))


def test_a_measure_of_a_minibatch_needs_no_divergence() -> None:
    stopping = build_stopping({"largest": 2}, KNOWN)
    ((measure, limit),) = stopping.of_minibatch
    assert measure(minibatch([1.0, 1.0], [0.5, 3.0])) == pytest.approx(3.0)
    assert limit == 2.0
    assert not stopping.needs_kl


@pytest.mark.parametrize(
    ("kl", "stops"), [([0.5, 0.5], False), ([1.0, 1.0], False), ([0.0, 2.5], True), ([0.0, 3.5], True)]
)
def test_any_measure_of_the_rollout_above_its_limit_stops(kl: list[float], stops: bool) -> None:
    stopping = build_stopping({"mean": 1.0, "top": 3.0}, KNOWN)
    assert stopping.needs_kl
    assert stopping.after_epoch(th.tensor(kl)) == stops


def test_each_condition_stops_alone() -> None:
    stopping = build_stopping({"mean": 10.0, "top": 3.0}, KNOWN)
    assert stopping.after_epoch(th.tensor([0.0, 0.0, 3.5]))
    assert not stopping.after_epoch(th.tensor([3.0, 3.0, 3.0]))


@pytest.mark.parametrize("condition", [own_code.largest, own_code.LARGEST, "tests.own_code.LARGEST"])
def test_own_conditions_stop_and_are_saved(condition: Any, tmp_path: Path) -> None:
    """Twice the largest ratio is at least 2, so that no step is taken at all."""
    model = VariantPPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=16, stop={condition: 1.5}).learn(32)
    assert model.logger.name_to_value["train/gradient_steps"] == 0
    model.save(tmp_path / "model")
    assert VariantPPO.load(tmp_path / "model").describe()["stop"] == {"largest": 1.5}


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda batch: batch.ratio, r"<lambda> must return one number, a tensor of shape \(\), not \(3,\)"),
        (lambda batch: 1.0, r"a tensor of shape \(\), not float"),
        (
            lambda batch: batch.kl().mean(),
            "<lambda> asks for the exact KL, which is looked at after each epoch",
        ),
    ],
)
def test_a_function_that_measures_no_minibatch_is_refused(function: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"stop: .*{said}"):
        build_stopping({function: 1.0}, KNOWN)


def test_a_condition_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['largest'\] is there more than once"):
        build_stopping([("largest", 1.0), (own_code.LARGEST, 2.0)], KNOWN)
