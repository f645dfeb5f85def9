"""How report.md writes the texts of a document."""

from __future__ import annotations

import re
from collections.abc import Collection

from sb3_ppo_variants.bench.report.document import Code, Table


def inline(text: str) -> str:
    """Write a text within a line."""
    return f"`{text}`" if isinstance(text, Code) else plain(text)


def plain(text: object) -> str:
    """Write a text of which nothing is a tag or an entity of HTML, as in the name ``<lambda>``."""
    return re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", re.sub(r"&(?=#?\w+;)", "&amp;", str(text)))


def cell(text: object) -> str:
    """Write a text within a cell of a table."""
    return plain(text).replace("|", "\\|").replace("\n", " ")


def pipes(table: Table, bold: Collection[int]) -> str:
    """Write a table alone.

    :param table: the table
    :param bold: indices of the rows whose first cell is bold
    """
    lines = [list(map(cell, table.columns)), ["---"] * len(table.columns)]
    for index, (head, *cells) in enumerate(table.rows):
        name = cell(head.text)
        lines.append([f"**{name}**" if index in bold else name, *(cell(each.text) for each in cells)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def fence(code: str) -> str:
    """The backticks around a text, more than it has in a row itself."""
    return "`" * max(3, *(len(run) + 1 for run in re.findall("`+", code)), 3)


FILTERS = {"inline": inline, "cell": cell, "fence": fence}
