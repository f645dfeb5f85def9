"""How report.md writes the texts of a document."""

from __future__ import annotations

import re

from sb3_ppo_variants.bench.report.document import Code


def inline(text: str) -> str:
    """Write a text within a line."""
    return f"`{text}`" if isinstance(text, Code) else text


def cell(text: object) -> str:
    """Write a text within a cell of a table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def fence(code: str) -> str:
    """The backticks around a text, more than it has in a row itself."""
    return "`" * max(3, *(len(run) + 1 for run in re.findall("`+", code)), 3)


FILTERS = {"inline": inline, "cell": cell, "fence": fence}
