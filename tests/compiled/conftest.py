from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch as th

from sb3_ppo_variants.compiled import actor, native, trace


class Traces:
    """Runs what was traced as a graph in place of native code, which takes ten seconds to make; counts the traces."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(
        self, function: native.Described, example: Sequence[th.Tensor], roots: Mapping[str, Any], fixed: int
    ) -> tuple[native.Function, Any]:
        self.count += 1
        graph, description = native.traced(function, example, roots)

        def run(tensors: Sequence[th.Tensor]) -> Sequence[th.Tensor]:
            with th.no_grad():
                outputs: Sequence[th.Tensor] = graph(*tensors)
            return outputs

        return run, description


needs_gpu = pytest.mark.skipif(not th.cuda.is_available(), reason="no GPU")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Traces:
    """The compiled step without its compiler."""
    counter = Traces()
    monkeypatch.setattr(trace, "native", counter)
    monkeypatch.setattr(actor, "native", Traces())
    return counter
