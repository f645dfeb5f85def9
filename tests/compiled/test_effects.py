"""A trace has no effects: what it would change is put back, and the part stays eager with its reason."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch as th

from sb3_ppo_variants.compiled.effects import without_effects
from sb3_ppo_variants.compiled.snapshot import policy_roots
from sb3_ppo_variants.compiled.unsupported import Ended
from tests.compiled.conftest import Traces
from tests.compiled.policies import AssignsABuffer, Counts, DrawsFromNumpy, Extractor, KeepsATensor, learn
from tests.models import same_weights

EFFECTS: dict[str, tuple[type[Extractor], str]] = {
    "counter": (Counts, "changes policy.features_extractor.calls"),
    "buffer": (AssignsABuffer, "assigns 'mean'"),
    "numpy": (DrawsFromNumpy, "changes numpy's random generator"),
    "tensor": (KeepsATensor, "changes policy.features_extractor.last"),
}


@pytest.mark.parametrize("case", EFFECTS)
def test_a_forward_pass_with_effects_is_eager_to_the_bit(traces: Traces, case: str) -> None:
    extractor, message = EFFECTS[case]
    with pytest.warns(UserWarning, match=f"runs in eager mode the update: the forward pass {message}") as warned:
        model = learn(True, extractor)
    assert sum("runs in eager mode" in str(warning.message) for warning in warned) == 2  # the rollout is the other
    assert same_weights(model, learn(False, extractor))
    with pytest.raises(Ended, match=message):
        learn("strict", extractor)


def test_no_fake_tensor_is_left_in_the_policy(traces: Traces) -> None:
    with pytest.warns(UserWarning, match="runs in eager mode"):
        model = learn(True, KeepsATensor, lambda model, _: model.policy.features_extractor.last.sum().item())
    assert type(model.policy.features_extractor.last) is th.Tensor


def test_everything_is_put_back() -> None:
    class Settings:
        listed: list[int]

    model, settings, numbers = learn(False, updates=1), Settings(), np.zeros(3)
    settings.listed, table = [1], {"a": 1}
    roots = policy_roots(model.policy) | {"settings": settings, "table": table, "numbers": numbers}
    draws, weight = (np.random.get_state()[1].copy(), random.getstate()), model.policy.value_net.weight  # type: ignore[index]
    distribution = dict(vars(model.policy.action_dist))

    @without_effects(roots)
    def change() -> None:
        settings.listed.append(2)
        settings.new = 1  # type: ignore[attr-defined]
        table.clear()
        numbers.fill(1.0)
        model.policy.value_net = th.nn.Linear(1, 1)
        model.policy.action_dist.distribution = None
        np.random.rand()
        random.random()

    with pytest.raises(Ended, match="changes"):
        change()
    assert (vars(settings), table, numbers.tolist()) == ({"listed": [1]}, {"a": 1}, [0.0, 0.0, 0.0])
    assert model.policy.value_net.weight is weight
    assert vars(model.policy.action_dist) == distribution
    assert (np.random.get_state()[1] == draws[0]).all()  # type: ignore[index]
    assert random.getstate() == draws[1]


def test_an_error_is_not_hidden_and_leaves_nothing() -> None:
    table: dict[str, Any] = {}

    @without_effects({"table": table})
    def change() -> None:
        table["a"] = 1 / 0 if table.setdefault("b", 1) else 0

    with pytest.raises(ZeroDivisionError):
        change()
    assert table == {}
