"""Conditions with their limits, from what a user wrote."""

from __future__ import annotations

import pytest
import torch as th

from sb3_ppo_variants.coefficients import Number
from sb3_ppo_variants.stopping import Stop, build_stopping
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
