"""What a report says, apart from how: the two templates write a :class:`Document` as Markdown and as HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sb3_ppo_variants.bench.statistics.intervals import Estimate


class Code(str):
    """Text that is shown as code."""

    __slots__ = ()


@dataclass(frozen=True)
class Bar:
    """A bar beside a number, which report.html draws.

    :param estimate: a dot with its interval
    :param low: number at the left end
    :param high: number at the right end
    :param colour: of the dot
    :param mark: number to compare with
    """

    estimate: Estimate
    low: float
    high: float
    colour: str
    mark: float | None = None

    def at(self, value: float) -> str:
        """Place of a number on a bar of 100 units, at least 3 units away from both ends."""
        share = (value - self.low) / (self.high - self.low)
        return f"{3 + 94 * min(1.0, max(0.0, share)):.1f}"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    :param text: what it says
    :param key: the number by which report.html sorts, NaN for one that is missing; None to sort by the text
    :param swatch: colour of a square before the text
    :param bar: drawn beside the text
    :param details: longer text, which report.html shows on demand
    """

    text: str
    key: float | None = None
    swatch: str | None = None
    bar: Bar | None = None
    details: str = ""

    @property
    def missing(self) -> bool:
        """Whether there is no number."""
        return self.key is not None and math.isnan(self.key)


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its head.

    :param columns: headings
    :param rows: as long as the headings
    :param highlighted: index of a row that stands out
    :param bars: says what the bars show
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    highlighted: int | None = None
    bars: str = ""

    def has_numbers(self, column: int) -> bool:
        """Whether a column is sorted by numbers."""
        return any(row[column].key is not None for row in self.rows)


@dataclass(frozen=True)
class Panel:
    """A figure.

    :param name: file name without its ending, different for every figure of a report
    :param title: what it shows
    :param svg: the SVG file
    :param csv: the numbers that it shows
    """

    name: str
    title: str
    svg: str
    csv: str


def slugs(names: Iterable[str]) -> dict[str, str]:
    """Make of each name a different one that is fit for files, links and ids.

    :param names: different ones
    """
    found: dict[str, str] = {}
    for name in names:
        slug = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
        while slug in found.values():
            slug += "-"
        found[name] = slug
    return found


@dataclass(frozen=True)
class Definition:
    """A term and its explanation.

    :param term: the term
    :param texts: one or more
    """

    term: str
    texts: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A part of a report; what it has is shown in the order of the parameters.

    :param title: heading
    :param level: of the heading; a section of level 3 belongs to the last one of level 2
    :param table: its table
    :param figure: its figure
    :param notes: paragraphs
    :param definitions: of the terms in the table and the figure
    :param code: text of a file
    """

    title: str
    level: int = 2
    table: Table | None = None
    figure: Panel | None = None
    notes: Sequence[str] = ()
    definitions: Sequence[Definition] = ()
    code: str = ""

    @property
    def anchor(self) -> str:
        """What a link to its heading names, on GitHub too."""
        return re.sub(r"[^\w\- ]", "", self.title.lower()).replace(" ", "-")


@dataclass(frozen=True)
class Caution:
    """What makes the numbers of a report weaker.

    :param title: two or three words
    :param text: a sentence or two
    :param items: what it is about
    :param section: title of the section that says more
    """

    title: str
    text: str
    items: Sequence[str] = ()
    section: Section | None = None


@dataclass(frozen=True)
class Document:
    """A whole report.

    :param title: of the study, or its name
    :param lead: what the study asks and what it found
    :param facts: its size and its date
    :param cautions: shown above everything else
    :param sections: in order
    :param arms: the arms with their colours
    """

    title: str
    lead: Sequence[Definition]
    facts: Sequence[str]
    cautions: Sequence[Caution]
    sections: Sequence[Section]
    arms: Sequence[Cell]
