"""report.html as text: what it holds, that it escapes, and that it needs nothing but itself."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from matplotlib.figure import Figure

from sb3_ppo_variants.bench.report import html
from sb3_ppo_variants.bench.report.document import Bar, Panel, slugs
from sb3_ppo_variants.bench.report.figures.colours import BASELINE_COLOUR
from sb3_ppo_variants.bench.report.figures.style import line_styles, svg
from sb3_ppo_variants.bench.report.report import make_report
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.statistics.intervals import Estimate
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.table import Tables, collect
from tests.bench.conftest import Finished

HOSTILE = '<script>alert(1)</script> & "x"'


class Page(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Finished:
    folders = Folders(tmp_path / "results" / "tiny")
    shutil.copytree(finished.folders.root, folders.root)
    return Finished(finished.path, finished.study, folders)


def report(study: Finished, text: str | None = None) -> str:
    made = make_report(study.study, study.path.read_text() if text is None else text, study.folders)
    return made.page.read_text()


def test_the_page_holds_tables_figures_and_provenance(copy: Finished) -> None:
    text = report(copy)
    page = Page(text)
    said = " ".join("".join(page.texts).split())
    assert page.tags.count("figure") == 6
    assert {"curves", "intervals", "profiles", "efficiency"} < set(page.values("data-name"))
    assert "8 of 8 runs finished · 2 arms · 2 environments · 2 seeds" in said
    assert "Few seeds." in said
    assert "CartPole-v1 from 20 (0) to 500 (1), random and reference score of the study file" in said
    assert "ppo-bench run tiny.yaml" in said
    assert "clip_range: lin_0.1" in said
    assert "8 finished, 0 failed, 0 missing" in said
    assert re.search(r"Python ?3\.\d+\.\d+", said)
    assert text.index("Few seeds.") < text.index('id="results"')
    assert ("name", "viewport") in page.attributes


def test_the_page_needs_nothing_but_itself(copy: Finished) -> None:
    text = report(copy)
    page = Page(text)
    # The names of XML namespaces are no addresses.
    without = re.sub(r'xmlns(:xlink)?="http://www\.w3\.org/[\w/]+"', "", text)
    assert re.findall(r"https?://|//cdn|@import", without) == []
    assert page.values("src") == page.values("srcset") == []
    assert not {"link", "iframe", "img", "object", "embed", "base"} & set(page.tags)
    targets = page.values("href") + page.values("xlink:href") + re.findall(r"url\(([^)]*)\)", text)
    assert len(targets) > 10
    assert {target[0] for target in targets} == {"#"}
    identifiers = page.values("id")
    assert len(identifiers) == len(set(identifiers))
    assert {target[1:] for target in targets} <= set(identifiers)


def test_the_page_is_reproducible_but_for_its_date(copy: Finished) -> None:
    def undated() -> str:
        text, dates = re.subn(r"made \d{4}-\d\d-\d\d \d\d:\d\d UTC", "", report(copy))
        assert dates == 1
        return text

    assert undated() == undated()


def test_what_comes_from_outside_is_escaped(copy: Finished) -> None:
    failed = copy.study.run("narrow", "CartPole-v1", 0)
    shutil.rmtree(copy.folders.finished(failed))
    copy.folders.fail(failed, f"Traceback (most recent call last):\nValueError: {HOSTILE}\n")
    text = report(copy, f"# {HOSTILE}\n</pre></script>")
    page = Page(text)
    assert "<script>alert" not in text
    assert page.tags.count("script") == 1
    assert "".join(page.texts).count(HOSTILE) == 3  # the summary of the failed run, its traceback, the study file
    assert "1 failed run." in "".join(page.texts)


def test_names_that_validation_would_refuse_are_escaped_too(copy: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of arms are letters, digits and ``_.+-``; the page does not rely on it."""
    written = copy.study.written_arms
    renamed = copy.study.model_copy(update={"written_arms": {**written, HOSTILE: written["narrow"]}})
    del renamed.written_arms["narrow"]
    for cached in ("_expansion", "runs"):
        vars(renamed).pop(cached, None)

    def collected(*_: object) -> Tables:
        table = collect(copy.study.runs, copy.folders)
        for frame in (table.results, table.timings, table.updates, table.times):
            frame["arm"] = frame["arm"].replace("narrow", HOSTILE)
        return table

    monkeypatch.setattr("sb3_ppo_variants.bench.report.report.all_tables", collected)
    text = report(Finished(copy.path, renamed, copy.folders))
    page = Page(text)
    assert "<script>alert" not in text
    assert page.tags.count("script") == 1
    assert "".join(page.texts).count(HOSTILE) > 4
    for path in (copy.folders.root / "figures").glob("*.svg"):
        ElementTree.parse(path)


def test_validation_refuses_names_that_are_no_file_names(finished: Finished) -> None:
    for name in (HOSTILE, "a/b", "", ".hidden", "a b"):
        with pytest.raises(ValueError, match="String should match pattern"):
            Study.model_validate({**finished.study.model_dump(exclude={"arms"}), "arms": {name: {"algorithm": "x.Y"}}})


def test_a_figure_keeps_its_ids_and_colours_apart() -> None:
    drawn = Figure(layout="constrained")
    axes = drawn.subplots()
    axes.plot([0, 1], [0, 1], **line_styles(["ppo", "mine"])["ppo"])
    found = html.svg(Panel("one", 'A "title"', svg(drawn), ""))
    root = ElementTree.fromstring(found)
    identifiers = [element.get("id", "") for element in root.iter() if "id" in element.attrib]
    assert all(name.startswith("one-") for name in identifiers)
    assert f"var(--c-4d4d4d, {BASELINE_COLOUR})" in found
    assert 'class="arm-0"' in found
    assert root.get("aria-label") == 'A "title"'
    assert "<style" not in found


def test_bars_and_sort_keys() -> None:
    bar = Bar(Estimate(1.0, 0.5, 1.5), 0.0, 2.0, "#000000")
    assert [bar.at(value) for value in (-1.0, 0.0, 0.5, 2.0, 9.0)] == ["3.0", "3.0", "26.5", "97.0", "97.0"]
    assert [html.sort_key(value) for value in (1, -0.25, float("nan"), float("inf"))] == [
        "1.0",
        "-0.25",
        "",
        "Infinity",
    ]


def test_parquet_is_written_where_it_can_be(copy: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ImportError("no engine")

    path = copy.folders.root / "results.parquet"
    path.write_bytes(b"old")
    monkeypatch.setattr(pd.DataFrame, "to_parquet", refuse)
    assert "no results.parquet, because neither pyarrow nor fastparquet is installed" in report(copy)
    assert not path.exists()


def test_parquet_equals_the_csv(copy: Finished) -> None:
    pytest.importorskip("pyarrow")
    assert "results.parquet" in report(copy)
    parquet = pd.read_parquet(copy.folders.root / "results.parquet")
    pd.testing.assert_frame_equal(parquet, pd.read_csv(copy.folders.root / "results.csv"), check_dtype=False)


def test_names_of_figures_are_different_and_fit_for_links() -> None:
    assert slugs(["CartPole-v1", "ALE/Pong-v5", "ALE-Pong-v5", "ALE:Pong-v5", 'a"b <|>']) == {
        "CartPole-v1": "CartPole-v1",
        "ALE/Pong-v5": "ALE-Pong-v5",
        "ALE-Pong-v5": "ALE-Pong-v5-",
        "ALE:Pong-v5": "ALE-Pong-v5--",
        'a"b <|>': "a-b----",
    }
