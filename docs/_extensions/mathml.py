"""Equations as MathML, which browsers render without a script, a font or a network."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

LOGGER = logging.getLogger(__name__)


def mathml(node: nodes.math | nodes.math_block, display: str) -> str:
    """The markup of an equation; a command that the converter does not know draws a warning.

    :param node: with the LaTeX as its text
    :param display: ``"inline"`` or ``"block"``
    """
    markup: str = convert(node.astext(), display=display)
    if "\\" in markup:
        LOGGER.warning("unknown LaTeX in the equation %s", node.astext(), location=node)
    return markup


def visit_math(translator: HTML5Translator, node: nodes.math) -> None:
    """An equation within a line.

    :param translator: which writes the page
    :param node: with the LaTeX as its text
    :raises SkipNode: always, since nothing is left to visit
    """
    translator.body.append(mathml(node, "inline"))
    raise nodes.SkipNode


def visit_displaymath(translator: HTML5Translator, node: nodes.math_block) -> None:
    """A displayed equation.

    :param translator: which writes the page
    :param node: with the LaTeX as its text
    :raises SkipNode: always, since nothing is left to visit
    """
    translator.body.append(f'<div class="equation">{mathml(node, "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer ``mathml``."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
