"""Derived parts of pages: what stands between the marks, and that no page is stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measurements import publish
from docs import drawings, fill, gallery


def test_nothing_is_missing() -> None:
    """Each line names something that a page, a term, a rule or a stop lacks, and what mends it."""
    if sentences := fill.missing():
        pytest.fail("\n".join(sentences), pytrace=False)


def test_a_table_is_taken_from_its_section() -> None:
    rows = fill.report("quickstart", "Results").splitlines()
    assert len(rows) == 2 + 4  # the heading, and stock PPO with three variants
    assert rows[2].startswith("| ppo | 488 [329, 521] |")
    page = "a\n<!-- fill: report, quickstart, Results -->\nold\n<!-- end -->\nb"
    assert fill.filled(page) == "\n".join(
        ["a", "<!-- fill: report, quickstart, Results -->", "", *rows, "", "<!-- end -->", "b"]
    )


def test_marks_of_both_languages_hold_what_a_source_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "SOURCES", {"letter": str.upper, "nothing": str})
    page = "<!-- fill: letter, a -->\n<!-- end -->\n\n<!-- fill: letter, b -->\nold\nold\n<!-- end -->\n"
    assert fill.filled(page) == (
        "<!-- fill: letter, a -->\n\nA\n\n<!-- end -->\n\n<!-- fill: letter, b -->\n\nB\n\n<!-- end -->\n"
    )
    assert fill.filled(".. fill: letter, c\nold\n.. end\n") == ".. fill: letter, c\n\nC\n\n.. end\n"
    assert fill.filled("no mark") == "no mark"


def test_a_mark_that_means_nothing_is_named() -> None:
    with pytest.raises(ValueError, match="fill: 'reports' is unknown; the sources are checkpoints, contact forces, "):
        fill.filled("<!-- fill: reports, quickstart -->\n<!-- end -->")
    with pytest.raises(ValueError, match="the report of quickstart has no table in a section 'Result'"):
        fill.filled("<!-- fill: report, quickstart, Result -->\n<!-- end -->")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two pages: one that is derived in part, and one with a mark in the middle of a line."""
    (tmp_path / "docs/reference").mkdir(parents=True)
    (tmp_path / "README.md").write_text("<!-- fill: letter, a -->\nold\n<!-- end -->\n")
    (tmp_path / "docs/page.md").write_text("Write `<!-- fill: letter, a -->` and `<!-- end -->`.\n")
    monkeypatch.setattr(fill, "ROOT", tmp_path)
    monkeypatch.setattr(fill, "SOURCES", {"letter": str.upper})
    monkeypatch.setattr(publish, "PUBLISHED", {})
    monkeypatch.setattr(drawings, "FIGURES", {})
    monkeypatch.setattr(gallery, "missing", lambda: ["terms/a.py has no page"])
    return tmp_path


def test_a_stale_page_is_named_and_filled(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fill.missing() == ["terms/a.py has no page", "README.md is out of date: run `make fill`"]
    fill.main()
    assert capsys.readouterr().out.splitlines() == ["README.md", "terms/a.py has no page"]
    assert (repository / "README.md").read_text() == "<!-- fill: letter, a -->\n\nA\n\n<!-- end -->\n"
    assert fill.missing() == ["terms/a.py has no page"]


def test_the_table_of_symptoms_says_in_how_many_updates_the_bound_acts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = (
        '"updates": 32, "median_kl": 0.0081, "largest_kl": 0.0223, "largest_ratio": 2.149, "clip_fraction": 0.0964'
    )
    (tmp_path / "runs.json").write_text(f'{{"usual": {{{numbers}}}, "dual clip": {{{numbers}, "dual_clip": 4}}}}')
    monkeypatch.setattr(fill, "SYMPTOMS", tmp_path / "runs.json")
    assert fill.symptoms().splitlines()[2:] == [
        "| usual | 0.0081 | 0.022 | 2.15 | 0.096 | - |",
        "| dual clip | 0.0081 | 0.022 | 2.15 | 0.096 | 4 of 32 |",
    ]
