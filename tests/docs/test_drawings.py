"""The figures are those of the code."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from docs import drawings
from tests.pages import DOCS, ROOT


@pytest.mark.skipif(
    f"matplotlib=={version('matplotlib')};" not in (ROOT / "constraints.txt").read_text(),
    reason="another matplotlib than the one that drew the figures sets text and ticks in its own way",
)
@pytest.mark.parametrize("name", drawings.FIGURES)
def test_a_figure_is_that_of_the_code(name: str) -> None:
    assert drawings.is_drawn(name, drawings.svg(name)), f"docs/figures/{name}.svg is out of date: run `make fill`"


def test_no_figure_is_left_over() -> None:
    assert {path.stem for path in (DOCS / "figures").glob("*.svg")} <= drawings.FIGURES.keys()


def test_rounding_is_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "path_of", lambda name: tmp_path / f"{name}.svg")
    assert not drawings.is_drawn("new", "<path d='M 1.5'/>")
    (tmp_path / "new.svg").write_text("<path d='M 1.5'/>")
    assert drawings.is_drawn("new", "<path d='M 1.5002'/>")
    assert not drawings.is_drawn("new", "<path d='M 1.52'/>")
    assert not drawings.is_drawn("new", "<path d='L 1.5'/>")
