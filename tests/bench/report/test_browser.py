"""report.html in a real browser: skipped where there is no Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from sb3_ppo_variants.bench.report.report import make_report
from sb3_ppo_variants.bench.runs.folders import Folders
from tests.bench.conftest import Finished
from tests.waiting import PATIENCE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]

# A page around the report that does what a reader does, and leaves what it saw in its own text.
READER = """<!doctype html>
<body style="margin:0"><iframe id="frame" src="{page}" style="border:0;width:{width}px;height:800px"></iframe><script>
frame.onload = () => {{
  const view = frame.contentWindow, page = frame.contentDocument;
  const seen = (function () {{ {script} }})();
  const out = document.createElement("output");
  out.textContent = JSON.stringify(seen);
  document.body.append(out);
}};
</script></body>"""

TABLE = """
const table = page.querySelector("#results table");
table.tBodies[0].innerHTML = ["2", "", "10", "-1"].map(
  (value) => `<tr><th>row${value}</th><td data-key="${value}">${value || "missing"}</td></tr>`).join("");
const order = () => [...table.tBodies[0].rows].map((row) => row.cells[1].textContent);
const click = (column) => table.tHead.rows[0].cells[column].querySelector("button").click();
"""


def see(folder: Path, page: Path, script: str, width: int = 1000) -> Any:
    """Run a script beside the page, its window as ``view``, its document as ``page``, and return what it returns."""
    assert CHROMIUM is not None
    reader = folder / "reader.html"
    reader.write_text(READER.format(page=page.as_uri(), script=script, width=width))
    options = ["--headless", "--disable-gpu", "--allow-file-access-from-files", "--virtual-time-budget=5000"]
    options += [f"--user-data-dir={folder / 'profile'}", "--window-size=1200,900", "--dump-dom"]
    # Chromium refuses its sandbox to the superuser, as whom containers often run.
    options += ["--no-sandbox"] if os.geteuid() == 0 else []
    done = subprocess.run([CHROMIUM, *options, reader.as_uri()], capture_output=True, text=True, timeout=PATIENCE)
    found = re.search(r"<output>(.*?)</output>", done.stdout, flags=re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(unescape(found.group(1)))


@pytest.fixture(scope="module")
def page(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folders = Folders(tmp_path_factory.mktemp("browser") / "tiny")
    shutil.copytree(finished.folders.root, folders.root)
    return make_report(finished.study, finished.path.read_text(), folders).page.absolute()


def test_numbers_are_sorted_as_numbers_and_missing_ones_come_last(page: Path, tmp_path: Path) -> None:
    seen = see(
        tmp_path,
        page,
        TABLE
        + """
        click(1); const down = order(), said = table.tHead.rows[0].cells[1].getAttribute("aria-sort");
        click(1); const up = order();
        click(0); const names = [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
        return {down, said, up, names, then: [...table.tHead.rows[0].cells].map((c) => c.getAttribute("aria-sort"))};
        """,
    )
    assert seen["down"] == ["10", "2", "-1", "missing"]
    assert seen["said"] == "descending"
    assert seen["up"] == ["-1", "2", "10", "missing"]
    assert sorted(seen["names"]) == ["row", "row-1", "row10", "row2"]
    assert seen["names"].index("row2") < seen["names"].index("row10")
    assert seen["then"][:2] == ["ascending", "none"]


def test_arms_are_sorted_by_their_score(page: Path, tmp_path: Path) -> None:
    script = """
        const table = page.querySelector("#results table");
        table.tHead.rows[0].cells[3].querySelector("button").click();
        return [...table.tBodies[0].rows].map((row) => Number(row.cells[3].dataset.key));
    """
    scores = see(tmp_path, page, script)
    assert len(scores) == 2
    assert scores[0] >= scores[1]


@pytest.mark.parametrize("width", [375, 1000])
def test_the_page_never_scrolls_sideways(page: Path, tmp_path: Path, width: int) -> None:
    script = "return [page.documentElement.scrollWidth, view.innerWidth, page.body.scrollWidth];"
    whole, window, body = see(tmp_path, page, script, width)
    assert window == width
    assert whole <= width
    assert body <= width


def test_figures_and_their_data_can_be_downloaded(page: Path, tmp_path: Path) -> None:
    seen = see(
        tmp_path,
        page,
        """
        const files = [];
        view.URL.createObjectURL = (blob) => { files.push(blob.type); return "#"; };
        view.HTMLAnchorElement.prototype.click = function () { files.push(this.download); };
        const blobs = [];
        view.Blob = class { constructor(parts, {type}) { this.type = type; blobs.push(parts.join("")); } };
        for (const button of page.querySelectorAll("#figure-curves figcaption button")) button.click();
        return {files, blobs};
        """,
    )
    assert seen["files"] == ["image/svg+xml", "curves.svg", "text/csv", "curves.csv"]
    svg, csv = seen["blobs"]
    assert "var(" not in svg
    assert svg.startswith("<?xml")
    assert csv.startswith("arm,environment,timesteps,mean,low,high\nppo,CartPole-v1,64,")


def test_chosen_arms_stand_out(page: Path, tmp_path: Path) -> None:
    script = """
        const dimmed = () => [...page.querySelectorAll(".dimmed")].map((mark) => mark.classList[0]);
        const button = page.querySelector(".arms button[data-arm=arm-1]");
        button.click(); const one = dimmed();
        button.click(); return [[...new Set(one)], dimmed(), button.getAttribute("aria-pressed")];
    """
    assert see(tmp_path, page, script) == [["arm-0"], [], "false"]
