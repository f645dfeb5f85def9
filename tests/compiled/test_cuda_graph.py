"""A native function as a CUDA graph: with a stand-in for torch's graphs everywhere, and with real ones on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th

from sb3_ppo_variants import KLPenaltyPPO, VariantPPO
from sb3_ppo_variants.compiled import actor, native, trace
from sb3_ppo_variants.compiled.cuda_graph import CudaGraph
from tests.compiled.conftest import needs_compiler, needs_gpu
from tests.models import same_weights


def accumulate(inputs: Sequence[th.Tensor]) -> list[th.Tensor]:
    """Adds the second input to the first in place, and returns the new first and twice the second."""
    total, addend = inputs
    total.add_(addend)
    return [total + 0, addend * 2]


class StandIn:
    """In place of `torch.cuda.CUDAGraph`: plays the recorded function again, into the same outputs."""

    recorded = 0

    def __init__(self) -> None:
        self.again: Callable[[], None] = lambda: None

    def replay(self) -> None:
        self.again()


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> CudaGraph:
    """Of `accumulate`, on whatever device there is."""
    if th.cuda.is_available():
        return CudaGraph(accumulate, fixed=1)
    current: list[StandIn] = []

    def run(inputs: Sequence[th.Tensor]) -> Sequence[th.Tensor]:
        if not current:
            return accumulate(inputs)  # to load kernels
        outputs = [th.empty(2), th.empty(2)]

        def again() -> None:
            for own, new in zip(outputs, accumulate(inputs), strict=True):
                own.copy_(new)

        current[-1].again = again
        return outputs

    @contextmanager
    def recording(stand_in: StandIn) -> Iterator[None]:
        StandIn.recorded += 1
        current.append(stand_in)
        yield
        current.clear()

    StandIn.recorded = 0
    monkeypatch.setattr(th.cuda, "CUDAGraph", StandIn)
    monkeypatch.setattr(th.cuda, "graph", recording)
    monkeypatch.setattr(th.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(th.random, "fork_rng", lambda devices: nullcontext())
    return CudaGraph(run, fixed=1)


DEVICE = "cuda" if th.cuda.is_available() else "cpu"


def pair(first: float, second: float) -> list[th.Tensor]:
    return [th.full((2,), first, device=DEVICE), th.full((2,), second, device=DEVICE)]


def test_changes_its_fixed_inputs_and_no_others(graph: CudaGraph) -> None:
    total, addend = pair(1.0, 10.0)
    outputs = graph([total, addend])
    assert [output.tolist() for output in outputs] == [[11.0, 11.0], [20.0, 20.0]]
    assert total.tolist() == [11.0, 11.0]
    assert addend.tolist() == [10.0, 10.0]


def test_outputs_stay_when_it_is_called_again(graph: CudaGraph) -> None:
    total, addend = pair(1.0, 10.0)
    first = graph([total, addend])
    second = graph([total, th.full_like(addend, 5.0)])
    assert first[0].tolist() == [11.0, 11.0]
    assert second[0].tolist() == [16.0, 16.0]


def test_what_was_placed_may_be_changed_in_place(graph: CudaGraph) -> None:
    placed = graph.place(pair(0.0, 1.0))
    graph(placed)
    placed[1].fill_(3.0)
    assert graph(placed)[0].tolist() == [4.0, 4.0]


def test_recorded_once_for_inputs_that_stay(graph: CudaGraph) -> None:
    total, addend = pair(0.0, 1.0)
    for _ in range(3):
        graph([total, addend + 1])
    moved = total.clone()
    assert graph([moved, addend])[0].tolist() == [7.0, 7.0]
    assert moved.tolist() == [7.0, 7.0]
    assert total.tolist() == [6.0, 6.0]
    if DEVICE == "cpu":
        assert StandIn.recorded == 2


MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "clip": (VariantPPO, {}),
    "kl_penalty": (KLPenaltyPPO, {"target_kl": 0.05}),
    "discrete": (VariantPPO, {"ent_coef": 0.01}),
}


def assert_does_what_eager_mode_does(case: str, device: str) -> None:
    cls, arguments = MODELS[case]
    environment = "CartPole-v1" if case == "discrete" else "Pendulum-v1"
    models = [
        cls("MlpPolicy", environment, n_steps=128, seed=0, device=device, compile=mode, **arguments).learn(256)
        for mode in ("strict", False)
    ]
    mine, theirs = (model.rollout_buffer.actions for model in models)
    assert np.allclose(mine, theirs, atol=1e-3)
    for one, other in zip(*(model.policy.parameters() for model in models), strict=True):
        assert th.allclose(one, other, rtol=1e-3, atol=1e-4)


@needs_gpu
@needs_compiler
@pytest.mark.parametrize("case", MODELS)
def test_a_model_on_a_gpu(case: str) -> None:
    assert_does_what_eager_mode_does(case, "cuda")


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("case", MODELS)
def test_the_kernels_alone_on_a_cpu(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    def made(
        function: native.Described, example: Sequence[th.Tensor], roots: Mapping[str, Any], fixed: int
    ) -> tuple[native.Function, Any]:
        graph, description = native.traced(function, example, roots)
        return native.kernels(graph, example), description

    monkeypatch.setattr(trace, "native", made)
    monkeypatch.setattr(actor, "native", made)
    assert_does_what_eager_mode_does(case, "cpu")


@needs_gpu
@needs_compiler
def test_a_model_on_a_gpu_is_saved_and_goes_on(tmp_path: Path) -> None:
    model = VariantPPO("MlpPolicy", "CartPole-v1", n_steps=128, seed=0, device="cuda", compile="strict").learn(128)
    model.save(tmp_path / "model")
    loaded = VariantPPO.load(tmp_path / "model", env=model.env, device="cuda")
    assert same_weights(loaded, model)
    assert {state["step"].item() for state in loaded.policy.optimizer.state.values()} == {20}
    loaded.learn(128, reset_num_timesteps=False)
    assert {state["step"].item() for state in loaded.policy.optimizer.state.values()} == {40}
