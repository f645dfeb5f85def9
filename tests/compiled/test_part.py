"""A trace is used in the state that it was made in: each change is followed, or left to eager mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch as th

from sb3_ppo_variants.compiled.part import Part
from sb3_ppo_variants.compiled.unsupported import Ended, Unsupported
from tests.compiled import policies
from tests.compiled.conftest import Traces
from tests.compiled.policies import Drops, Extractor, ReadsAGlobalName, Scales, assert_alike, learn


def other_dropout(model: Any, rollout: int) -> None:
    model.policy.features_extractor.dropout.p = 0.3 if rollout > 1 else 0.1


def other_number(model: Any, rollout: int) -> None:
    model.policy.features_extractor.scale = 3.0 if rollout > 1 else 1.0


def other_global_name(model: Any, rollout: int) -> None:
    policies.SCALE = 3.0 if rollout == 2 else 1.0


def freeze(model: Any, rollout: int) -> None:
    """Each time another one of two layers of the same shape."""
    extractors = model.policy.mlp_extractor
    extractors.policy_net[0].weight.requires_grad_(rollout % 2 == 0)
    extractors.value_net[0].weight.requires_grad_(rollout % 2 == 1)


def other_layer(model: Any, rollout: int) -> None:
    if rollout == 2:
        policy = model.policy
        with th.random.fork_rng():
            th.manual_seed(0)
            policy.mlp_extractor.policy_net = th.nn.Sequential(th.nn.Linear(8, 16), th.nn.ReLU(), th.nn.Linear(16, 8))
        policy.optimizer = th.optim.Adam(policy.parameters(), lr=0.003, eps=1e-5)


FOLLOWED: dict[str, tuple[type[Extractor], Callable[[Any, int], None]]] = {
    "dropout": (Drops, other_dropout),
    "number": (Scales, other_number),
    "global name": (ReadsAGlobalName, other_global_name),
    "trained parameters": (Extractor, freeze),
    "layer": (Extractor, other_layer),
}


@pytest.mark.parametrize("case", FOLLOWED)
def test_a_change_is_followed(traces: Traces, case: str) -> None:
    extractor, change = FOLLOWED[case]
    assert_alike(learn("strict", extractor, change), learn(False, extractor, change))
    assert traces.count == 2


def hook_on_a_gradient(model: Any, rollout: int) -> None:
    if rollout == 2:
        model.policy.action_net.weight.register_hook(lambda gradient: gradient * 0)


def hook_on_a_module(model: Any, rollout: int) -> None:
    if rollout == 2:
        model.policy.features_extractor.layer.register_forward_hook(lambda module, inputs, output: output * 2)


def part_of_the_parameters(model: Any, rollout: int) -> None:
    if rollout == 1:
        model.policy.optimizer = th.optim.Adam(model.policy.mlp_extractor.parameters(), lr=0.003, eps=1e-5)


def hook_on_the_optimizer(model: Any, rollout: int) -> None:
    if rollout == 2:
        model.policy.optimizer.register_step_post_hook(lambda optimizer, args, kwargs: None)


LEFT: dict[str, tuple[Callable[[Any, int], None], str]] = {
    "gradient": (hook_on_a_gradient, "the update: policy.action_net.weight has hooks"),
    "forward": (hook_on_a_module, "the update: policy.features_extractor.layer has forward_hooks"),
    "optimizer holds a part": (part_of_the_parameters, "the update: the optimiser does not hold log_std"),
    "optimizer step": (hook_on_the_optimizer, "the update: the optimiser is Adam with other settings or hooks"),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_cannot_be_followed_is_left_to_eager_mode(traces: Traces, case: str) -> None:
    change, message = LEFT[case]
    with pytest.warns(UserWarning, match=f"compile=True runs in eager mode {message}") as warned:
        model = learn(True, change=change, updates=4)
    assert sum("the update" in str(warning.message) for warning in warned) == 1
    assert_alike(model, learn(False, change=change, updates=4))
    with pytest.raises(Unsupported, match=message.removeprefix("the update: ")):
        learn("strict", change=change, updates=4)


def anneal(model: Any, rollout: int) -> None:
    model.policy.features_extractor.scale = 1.0 + rollout


def test_a_value_that_changes_every_time_is_left_to_eager_mode(traces: Traces) -> None:
    message = "policy.features_extractor.scale changes too often for native code"
    with pytest.warns(UserWarning, match=f"runs in eager mode the update: {message}") as warned:
        model = learn(True, Scales, anneal, updates=8)
    assert sum("runs in eager mode" in str(warning.message) for warning in warned) == 2  # the rollout is the other
    assert traces.count == 4
    assert_alike(model, learn(False, Scales, anneal, updates=8))
    with pytest.raises(Ended, match=message):
        learn("strict", Scales, anneal, updates=8)


def test_a_state_that_was_there_before_has_its_trace() -> None:
    part, settings = Part("the update", strict=True), {"scale": 1.0}
    roots = {"settings": settings}
    first = part.state(roots)
    settings["scale"] = 2.0
    second = part.state(roots)
    settings["scale"] = 1.0
    assert part.state(roots) == first != second
    assert [part.trace(state, lambda: object()) for state in (first, second)] == [
        part.trace(state, lambda: object()) for state in (first, second)
    ]


def test_a_trace_that_failed_is_not_made_again() -> None:
    part, tries = Part("the update", strict=False), []

    def make() -> None:
        tries.append(1)
        raise Unsupported("no way")

    for _ in range(3):
        with pytest.raises(Unsupported, match="no way"):
            part.trace("a state", make)
    assert len(tries) == 1
