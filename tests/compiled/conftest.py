from __future__ import annotations

import shutil
from collections.abc import Sequence

import pytest
import torch as th

from sb3_ppo_variants.compiled import actor, native, step


class Traces:
    """Runs what was traced as a graph in place of native code, which takes ten seconds to make; counts the traces."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, function: native.Function, example: Sequence[th.Tensor], fixed: int) -> native.Function:
        self.count += 1
        graph = native.traced(function, example)

        def run(tensors: Sequence[th.Tensor]) -> Sequence[th.Tensor]:
            with th.no_grad():
                outputs: Sequence[th.Tensor] = graph(*tensors)
            return outputs

        return run


needs_gpu = pytest.mark.skipif(not th.cuda.is_available(), reason="no GPU")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Traces:
    """The compiled step without its compiler."""
    counter = Traces()
    monkeypatch.setattr(step, "native", counter)
    monkeypatch.setattr(actor, "native", Traces())
    return counter
