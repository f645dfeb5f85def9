"""What a report says is written in Python, once for both formats."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest

from sb3_ppo_variants.bench.report import html, markdown
from sb3_ppo_variants.bench.report.document import Code, Section
from sb3_ppo_variants.bench.report.report import render

TEMPLATES = Path(markdown.__file__).parent / "templates"


@pytest.mark.parametrize("name", ["report.md.jinja", "report.html.jinja", "section.md.jinja"])
def test_templates_hold_no_prose(name: str) -> None:
    text = re.sub(r"{%.*?%}|{{.*?}}|<style.*?</style>", "", (TEMPLATES / name).read_text(), flags=re.DOTALL)
    words = re.findall(
        r"[A-Za-z]{3,}", re.sub(r"<.*?>|^yaml$|figures/|\.svg", "", text, flags=re.DOTALL | re.MULTILINE)
    )
    # The label of the buttons that choose arms.
    assert words in ([], ["Show"])


def test_texts_in_markdown() -> None:
    assert markdown.cell("a|b\nc") == "a\\|b c"
    assert (
        markdown.cell("f.<locals>.<lambda> in a < b & c &lt; d") == "f.&lt;locals>.&lt;lambda> in a < b & c &amp;lt; d"
    )
    assert [markdown.inline(text) for text in ("plain", Code("ls"))] == ["plain", "`ls`"]


def test_texts_in_html() -> None:
    assert html.prose("95 % <b>") == "95&nbsp;% &lt;b&gt;"
    assert html.prose(Code("<ls>")) == "<code>&lt;ls&gt;</code>"


def test_an_anchor_is_that_of_github() -> None:
    assert Section("KL and coefficients, A/B-v1").anchor == "kl-and-coefficients-ab-v1"


def test_an_unknown_name_in_a_template_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="document"):
        render("report.md.jinja", {})
