"""Faster steps of the optimiser give the same numbers and leave no trace in its state."""

from __future__ import annotations

from typing import Any

import pytest
import torch as th

from sb3_ppo_variants.loop.faster import foreach_steps


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
