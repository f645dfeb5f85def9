"""Pages without pictures that lie on another server, as README's badges do: a reader's browser fetches nothing."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def remove(app: Sphinx, doctree: nodes.document) -> None:
    """Take such pictures out of a page.

    :param app: the build
    :param doctree: the page
    """
    for image in list(doctree.findall(nodes.image)):
        if "://" in image["uri"]:
            image.parent.remove(image)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handler.

    :param app: the build
    """
    app.connect("doctree-read", remove)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
