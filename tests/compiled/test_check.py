"""Native code that does something else than eager code is noticed, and ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch as th

from sb3_ppo_variants.compiled import actor, trace
from sb3_ppo_variants.compiled.check import CheckTimes, Quantity, difference
from sb3_ppo_variants.compiled.native import Described, Function
from sb3_ppo_variants.compiled.unsupported import Ended
from tests.compiled.conftest import Traces
from tests.compiled.policies import Drops, assert_alike, learn
from tests.models import same_weights


def test_the_first_ten_times_and_then_at_growing_distances() -> None:
    times = CheckTimes()
    checked = [number for number in range(600) if times.due()]
    assert checked == [*range(10), 14, 21, 32, 48, 72, 108, 162, 243, 343, 443, 543]


@pytest.mark.parametrize(
    ("native", "eager", "found"),
    [
        ([1.0, 2.0], [1.0, 2.0], None),
        ([1.0, 2.00001], [1.0, 2.0], None),
        ([1.0, 2.1], [1.0, 2.0], "it differs by 0.03 of its size"),
        ([float("nan"), 2.0], [1.0, 2.0], "it differs by nan of its size"),
        ([1.0, 2.0], [float("nan"), 2.0], None),
        ([1.0], [1.0, 2.0], "it has another shape"),
    ],
)
def test_a_difference_beyond_rounding(native: list[float], eager: list[float], found: str | None) -> None:
    assert difference([Quantity("it", th.tensor(native), th.tensor(eager))]) == found


def test_several_tensors_are_compared_as_one() -> None:
    native, eager = [th.tensor([1.0]), th.tensor([2.1])], [th.tensor([1.0]), th.tensor([2.0])]
    assert difference([Quantity("it", native, eager)]) == "it differs by 0.03 of its size"
    assert difference([Quantity("it", native, [th.tensor([1.0]), th.tensor([2.1])])]) is None
    assert difference([Quantity("it", native, [th.tensor([1.0, 2.1])])]) == "it has another shape"
    assert difference([Quantity("it", [th.tensor([3])], [th.tensor([4])])]) == "it differs by 0.2 of its size"


class Wrong(Traces):
    """Native code that does something else from a call on.

    :param output: which of its outputs, of those that it returns or, after them, those that it writes in place
    :param after: number of calls that are right
    """

    def __init__(self, output: int, after: int) -> None:
        super().__init__()
        self.output, self.after = output, after

    def __call__(
        self, function: Described, example: Sequence[th.Tensor], roots: Mapping[str, Any], fixed: int
    ) -> tuple[Function, Any]:
        run, description = super().__call__(function, example, roots, fixed)
        calls = 0

        def wrong(tensors: Sequence[th.Tensor]) -> Sequence[th.Tensor]:
            nonlocal calls
            calls += 1
            outputs = list(run(tensors))
            if calls > self.after:
                changed = [*outputs, *tensors][self.output]
                changed.mul_(1.5).add_(0.1)
            return outputs

        return wrong, description


STEP = {
    "the ratio": 3,
    "the policy loss": 0,
    "the gradient": 4 + 11,  # the outputs, the parameters: the first of Adam's averages
}


# In the first step of all, the gradient is not compared.
@pytest.mark.parametrize("quantity", STEP)
def test_a_wrong_step_is_not_taken(monkeypatch: pytest.MonkeyPatch, quantity: str) -> None:
    monkeypatch.setattr(actor, "native", Traces())
    monkeypatch.setattr(trace, "native", Wrong(STEP[quantity], after=1))
    with pytest.warns(UserWarning, match=f"the update: {quantity} differs by") as warned:
        model = learn(True)
    assert sum("runs in eager mode" in str(warning.message) for warning in warned) == 1
    assert_alike(model, learn(False))
    with pytest.raises(Ended, match=quantity):
        learn("strict")


def test_a_wrong_action_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "native", Traces())
    monkeypatch.setattr(actor, "native", Wrong(-2, after=40))  # the values are the last input but one
    with pytest.warns(UserWarning, match="the rollout: the values differs by"):
        model = learn(True, updates=4)
    assert th.allclose(
        th.as_tensor(model.rollout_buffer.values), th.as_tensor(learn(False, updates=4).rollout_buffer.values), atol=0.1
    )


def test_code_that_fails_when_it_runs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        def run(tensors: Sequence[th.Tensor]) -> Sequence[th.Tensor]:
            raise RuntimeError("run_func_ API call failed")

        return run, ([], [], [True] * 11)

    monkeypatch.setattr(actor, "native", Traces())
    monkeypatch.setattr(trace, "native", fails)
    with pytest.warns(UserWarning, match="the update: the library fails when it runs: run_func_"):
        model = learn(True)
    assert_alike(model, learn(False))


def test_checks_draw_nothing(traces: Traces) -> None:
    """Dropout draws the same numbers, whether a step is checked or not."""
    assert_alike(learn("strict", Drops, updates=12), learn(False, Drops, updates=12))


def test_checks_change_nothing(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = learn("strict", Drops)
    monkeypatch.setattr(CheckTimes, "due", lambda times: False)
    monkeypatch.setattr(CheckTimes, "is_first", False)
    assert same_weights(checked, learn("strict", Drops))
