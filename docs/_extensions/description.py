"""The first paragraph of a page as its description, which search engines show."""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

LONGEST = 300


def describe(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Add the description to the head of a page.

    :param context: of the template, with the tags
    :param doctree: the page; ``None`` for generated pages such as the index
    """
    paragraph = None if doctree is None else next(iter(doctree.findall(nodes.paragraph)), None)
    if paragraph is not None:
        text = escape(" ".join(paragraph.astext().split())[:LONGEST])
        context["metatags"] += f'<meta name="description" content="{text}">'


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handler."""
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
