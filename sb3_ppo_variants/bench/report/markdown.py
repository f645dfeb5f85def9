"""How report.md writes the texts of a document."""

from __future__ import annotations

from sb3_ppo_variants.bench.report.document import Code


def inline(text: str) -> str:
    """Write a text within a line."""
    return f"`{text}`" if isinstance(text, Code) else text


def cell(text: object) -> str:
    """Write a text within a cell of a table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


FILTERS = {"inline": inline, "cell": cell}
