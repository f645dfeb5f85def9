"""What report.html needs beside the numbers: its figures, its colours, and the scales of the bars in its tables."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from sb3_ppo_variants.bench.report.figures.style import BASELINE_COLOUR, PALETTE, TEXT, Drawing, line_styles
from sb3_ppo_variants.bench.statistics.intervals import Estimate
from sb3_ppo_variants.bench.statistics.summary import Summary

# What a colour of a figure becomes on a dark page.
DARK = {
    TEXT: "#e4e6ea",
    "#595959": "#a3a8b1",
    "#8c8c8c": "#6f7580",
    "#e6e6e6": "#2b2f37",
    "#ffffff": "transparent",
    BASELINE_COLOUR: "#b9bdc6",
    **dict(zip(PALETTE, ("#3f94d6", "#f2803a", "#22c496", "#e294c0", "#f2b233", "#8fd0f7", "#f0e442"), strict=True)),
}
COLOUR = re.compile("|".join(DARK))


class Figure(NamedTuple):
    """A figure within the page.

    :param name: file name without its ending, unique within the page
    :param title: what it shows
    :param svg: an svg element
    :param csv: the numbers that were drawn
    """

    name: str
    title: str
    svg: Markup
    csv: str


def figure(name: str, drawing: Drawing, svg: str) -> Figure:
    """Make a figure part of the page.

    :param name: file name without its ending
    :param drawing: the figure and its data
    :param svg: the SVG that matplotlib wrote, in which every text from outside is escaped
    """
    data = drawing.data.to_csv(index=False, lineterminator="\n")
    return Figure(name, drawing.title, Markup(_inline(svg, name, drawing.title)), data)


def variable(colour: str) -> str:
    """CSS variable of a colour; the colour itself where there is no such variable, as in a downloaded figure."""
    return f"var(--c-{colour.removeprefix('#')}, {colour})"


def page_style(summary: Summary) -> dict[str, Any]:
    """Colours and scales for the template.

    :param summary: the statistics
    """
    styles = line_styles(summary.arms)
    normalised = [found.iqm for found in summary.aggregates.values()]
    return {
        "dark": {colour.removeprefix("#"): there for colour, there in DARK.items()},
        "colours": {arm: variable(styles[arm]["color"]) for arm in summary.arms},
        "bar": Bar(_span(normalised)),
        "share": Bar((0.0, 1.0)),
        "sort_key": sort_key,
    }


class Bar:
    """Places on a bar of 100 units.

    :param span: numbers at the left and at the right end
    """

    def __init__(self, span: tuple[float, float]) -> None:
        self.low, self.high = span

    def at(self, value: float) -> str:
        """Place of a number, 3 units away from both ends at least."""
        share = (value - self.low) / (self.high - self.low)
        return f"{3 + 94 * min(1.0, max(0.0, share)):.1f}"


def sort_key(value: float) -> str:
    """Write a number so that JavaScript reads it; one that is missing sorts last."""
    if math.isnan(value):
        return ""
    return repr(float(value)) if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def _span(estimates: list[Estimate]) -> tuple[float, float]:
    values = [value for estimate in estimates for value in estimate if math.isfinite(value)]
    low, high = min([0.0, *values]), max([0.0, *values])
    return (low, high) if low < high else (0.0, 1.0)


def _inline(svg: str, name: str, title: str) -> str:
    """Turn an SVG file into an element: ids of its own, colours of the page, no style sheet that leaks into it."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|"#|url\(#)', rf"\g<1>{name}-", svg)
    svg = COLOUR.sub(lambda found: variable(found.group()), svg)
    svg = re.sub(r"\n\s*", "\n", svg).strip()
    return re.sub(
        r'width="([\d.]+)pt" height="[\d.]+pt"', lambda found: _size(float(found.group(1)), title), svg, count=1
    )


def _size(points: float, title: str) -> str:
    """Let a figure grow and shrink with the page, but not until its text cannot be read."""
    size = f"--most:{1.5 * points:.0f}px;--least:{0.85 * points:.0f}px"
    return f'role="img" aria-label="{escape(title)}" style="{size};stroke-linejoin:round;stroke-linecap:butt"'
