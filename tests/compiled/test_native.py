"""Libraries are found again by everything that they depend on, and no other ones."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch as th

from sb3_ppo_variants.compiled import native
from sb3_ppo_variants.compiled.unsupported import Ended, Unsupported
from tests.compiled.conftest import needs_compiler


def times(number: float) -> native.Described:
    def function(tensors: Sequence[th.Tensor]) -> tuple[list[th.Tensor], None]:
        return [tensors[0] * th.tensor(number)], None

    return function


ROOTS = {"policy": th.nn.Linear(1, 1)}
INPUTS = (th.ones(2),)


def fingerprint(number: float) -> str:
    graph, _ = native.traced(times(number), INPUTS, ROOTS)
    return native._fingerprint(graph, INPUTS)


def test_a_literal_is_part_of_the_fingerprint() -> None:
    assert fingerprint(0.5) == fingerprint(0.5) != fingerprint(50.0)


def test_libraries_of_an_earlier_format_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    now = fingerprint(0.5)
    monkeypatch.setattr(native, "FORMAT", native.FORMAT - 1)
    assert fingerprint(0.5) != now


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The library of `times(2.0)`, which is not there yet."""
    monkeypatch.setattr(native, "cache_dir", lambda: str(tmp_path))
    path = tmp_path / "sb3_ppo_variants" / f"{fingerprint(2.0)}.pt2"
    path.parent.mkdir()
    return path


def test_a_damaged_library_is_named(package: Path) -> None:
    package.write_bytes(b"junk")
    with pytest.raises(Unsupported, match=rf"{package.name} cannot be loaded; remove it"):
        native.native(times(2.0), INPUTS, ROOTS, fixed=0)


def test_the_library_of_another_function_is_named(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package.write_bytes(b"a library")
    loaded: Any = SimpleNamespace(loader=SimpleNamespace(get_metadata=lambda: {native.MADE_FOR: "another"}))
    monkeypatch.setattr("torch._inductor.aoti_load_package", lambda path: loaded)
    with pytest.raises(Unsupported, match=rf"{package.name} is the library of another function"):
        native.native(times(2.0), INPUTS, ROOTS, fixed=0)


@needs_compiler
@pytest.mark.slow
def test_a_library_knows_its_function(package: Path) -> None:
    for number in (2.0, 3.0):
        run, _ = native.native(times(number), INPUTS, ROOTS, fixed=0)
        assert run(list(INPUTS))[0].tolist() == [number, number]
    shutil.copy(package.parent / f"{fingerprint(3.0)}.pt2", package)
    with pytest.raises(Unsupported, match="the library of another function"):
        native.native(times(2.0), INPUTS, ROOTS, fixed=0)


def test_an_assigned_buffer_is_named_and_put_back() -> None:
    layer = th.nn.BatchNorm1d(2)
    own = dict(layer.named_buffers()) | dict(layer.named_parameters())
    with pytest.raises(Ended, match="assigns 'running_mean'"), native.in_place_of(layer, dict(own)):
        layer.running_mean = th.ones(2)
    assert all(tensor is own[name] for name, tensor in layer.named_buffers())


def test_the_line_on_missing_shims_is_kept_from_the_log(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("torch._inductor.ir")
    logger.addHandler(caplog.handler)
    try:
        with native._without_fallback_lines():
            logger.warning("%s is missing a c-shim implementation, using proxy executor as fallback", "aten.x")
            logger.warning("something else")
        logger.warning("a c-shim later")
    finally:
        logger.removeHandler(caplog.handler)
    assert set(caplog.messages) == {"something else", "a c-shim later"}
