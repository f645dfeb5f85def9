"""Tables in markdown, for pages and reports of measurements."""

from __future__ import annotations

from collections.abc import Iterable


def table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in markdown.

    :param heading: of its columns
    :param rows: of cells
    """
    heading = list(heading)
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
