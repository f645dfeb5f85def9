"""Removes images of other servers, such as README's badges, so that a reader's browser fetches nothing."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def remove(app: Sphinx, doctree: nodes.document) -> None:
    """Remove such images from a page."""
    for image in list(doctree.findall(nodes.image)):
        if "://" in image["uri"]:
            image.parent.remove(image)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handler."""
    app.connect("doctree-read", remove)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
