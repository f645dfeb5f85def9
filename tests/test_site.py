"""The site builds without a warning, and a reader needs no network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import PAGES, ROOT

# What a browser would fetch by itself: scripts, styles, fonts and pictures, but not what is only linked.
FETCHED = re.compile(r"""<(?:script|img|iframe|source)[^>]*\ssrc="(?:https?:)?//|<link[^>]*\shref="(?:https?:)?//""")


@pytest.mark.slow
def test_the_site(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    pytest.importorskip("furo")
    command = [sys.executable, "-m", "sphinx", "-c", "docs", "-b", "html", "-W", "--keep-going", "-n", "-q"]
    built = subprocess.run([*command, ".", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    pages = {page: (tmp_path / page.relative_to(ROOT).with_suffix(".html")).read_text() for page in PAGES}
    for page, html in pages.items():
        assert not FETCHED.search(html), page
        assert html.count("<math ") >= page.read_text().count("```math")
        assert '<meta name="description"' in html, page
    styles = [style.read_text() for style in tmp_path.rglob("*.css")]
    assert styles
    assert not any(re.search(r"url\(['\"]?https?:|@import", style) for style in styles)
    assert "url=docs/index.html" in (tmp_path / "index.html").read_text()
