"""How figures look: colours, sizes, and files that are equal byte for byte when the numbers are."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import Formatter, FuncFormatter, MaxNLocator

from sb3_ppo_variants.bench.report.figures.colours import PALETTE, TEXT, colours_of
from sb3_ppo_variants.bench.statistics.intervals import Band

# How the line of each arm is drawn.
Styles = dict[str, dict[str, Any]]

DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)))
# Opacity of an interval: fills of several mix to a colour of none, so that edges tell whose it is.
FILL, EDGE = 0.08, 0.55
# Keys of matplotlib; its stubs know them as literals only.
STYLE: Any = {
    "axes.edgecolor": "#8c8c8c",
    "axes.labelcolor": TEXT,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "font.size": 9.5,
    "text.color": TEXT,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.solid_capstyle": "round",
    "xtick.color": "#595959",
    "ytick.color": "#595959",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "sb3_ppo_variants",
    # Where matplotlib would put titles anyway: it lays all ticks out again to find that out.
    "axes.titley": 1,
    # As C0 it would be looked up for each interval.
    "patch.facecolor": PALETTE[0],
}


@dataclass(frozen=True)
class Page:
    """What figures are drawn for.

    :param width: of a figure in inches; None for one that follows from what it shows
    :param scale: of text and lines
    """

    width: float | None = None
    scale: float = 1.0


SCREEN = Page()
# Of a paper with two columns, whose text has 10 points.
ONE_COLUMN, TWO_COLUMNS = Page(3.25, 0.75), Page(6.75, 0.8)
# Of a panel, in inches: narrower ones are put below each other.
_NARROWEST, _PANEL = 2.0, 4.3
_page = ContextVar("page", default=SCREEN)


@contextmanager
def drawn_for(page: Page) -> Iterator[None]:
    """Draw the figures within the block for a page.

    :param page: the page; outside of such a block it is the screen
    """
    token = _page.set(page)
    try:
        yield
    finally:
        _page.reset(token)


def scaled(size: float) -> float:
    """Size of text or a line on the page.

    :param size: on the screen
    """
    return size * _page.get().scale


def width_of(screen: float) -> float:
    """Width of a figure on the page, in inches.

    :param screen: the same on the screen
    """
    return _page.get().width or screen


def page_style() -> Any:
    """The keys of matplotlib for the page."""
    return {key: scaled(value) if isinstance(value, float) else value for key, value in STYLE.items()}


class Drawing(NamedTuple):
    """A figure and what it shows.

    :param figure: the figure
    :param title: what it shows, in a few words
    :param data: the numbers that were drawn, one row per point
    """

    figure: Figure
    title: str
    data: pd.DataFrame


def line_styles(arms: Sequence[str], shown: Iterable[str] | None = None) -> Styles:
    """One colour per arm, the same wherever arms share a panel; the baseline is a neutral dark grey.

    The baseline is drawn first and wider than the rest, so that a line that lies on it is seen. What is drawn of an
    arm carries its place among the arms as ``gid``, which :func:`svg` makes a class of the SVG.

    :param arms: names of all arms, the baseline first; the order decides the colours
    :param shown: those to return, in order; all by default
    """
    styles = {}
    for position, (arm, colour) in enumerate(colours_of(arms).items()):
        # Each time that the palette begins anew the dashes are others.
        round_ = max(position - 1, 0) // len(PALETTE) % len(DASHES)
        width = scaled(1.7 if position else 3.0)
        styles[arm] = {"color": colour, "linestyle": DASHES[round_], "linewidth": width, "gid": f"arm-{position}"}
    return {arm: styles[arm] for arm in shown or arms}


def step_axis(axes: Axes, label: str = "environment steps") -> None:
    """Label an axis of environment steps: 0, 20k, 1.5M."""
    axes.margins(x=0.01)
    short_numbers(axes.xaxis)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlim(left=0)
    axes.set_xlabel(label)


def short_numbers(axis: Axis) -> None:
    """Label an axis without a factor at its end, which would lie under the title of the panel: 500, 20k, 1.5M."""
    axis.set_major_formatter(FuncFormatter(_tick))


def _tick(number: float, _: object) -> str:
    # A tick may miss 0 by rounding, and 0 may be negative.
    return Formatter.fix_minus(short_number(round(number, 12) or 0.0))


def short_number(number: float) -> str:
    """Write 20000 as 20k and 1500000 as 1.5M."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"


def svg(figure: Figure) -> str:
    """Draw a figure as an SVG file."""
    with mpl.rc_context(page_style()):
        FigureCanvasSVG(figure)
        if (layout := figure.get_layout_engine()) is not None:
            # Otherwise savefig draws the whole figure twice, the first time for the layout alone.
            layout.execute(figure)
            figure.set_layout_engine("none")
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    # An arm is drawn more than once, and an id must be the only one of its kind.
    return re.sub(r'id="(arm-\d+)"', r'class="\1"', written.getvalue())


def pdf(figure: Figure) -> bytes:
    """Draw a figure as a PDF file with its fonts in it, as TrueType: publishers refuse Type 3."""
    with mpl.rc_context({**page_style(), "pdf.fonttype": 42}):
        FigureCanvasPdf(figure)
        written = io.BytesIO()
        figure.savefig(written, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return written.getvalue()


def band(axes: Axes, x: Any, low: Any, high: Any, style: dict[str, Any], step: Literal["post"] | None = None) -> None:
    """Draw the interval of a curve in the colour of its line.

    :param axes: where
    :param x: places of the points
    :param low: lower bounds
    :param high: upper bounds
    :param style: style of the line
    :param step: ``post`` for step functions
    """
    axes.fill_between(
        x,
        low,
        high,
        step=step,
        facecolor=to_rgba(style["color"], FILL),
        edgecolor=to_rgba(style["color"], EDGE),
        linewidth=scaled(0.6),
        gid=style["gid"],
    )


def columns(panels: int) -> int:
    """Return the number of columns in which panels are laid out."""
    across = panels if panels <= 3 else 2 if panels == 4 else 3
    return min(across, max(1, int(width_of(math.inf) // _NARROWEST))) if _page.get().width else across


def grid(panels: int, height: float, spare: float = 0.0, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """Make a figure of equal panels.

    :param panels: how many
    :param height: of one panel and what is around it on the screen, in inches
    :param spare: inches of width besides those of the panels, where there is more than one
    :param sharey: whether the panels have one vertical axis
    """
    across = columns(panels)
    rows = math.ceil(panels / across)
    screen = 5.6 if across == 1 else _PANEL * across + spare
    width = width_of(screen)
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
    size = (width, scaled(0.35) + height * rows * width / screen)
    figure = Figure(figsize=size, layout=layout)
    every = list(figure.subplots(rows, across, squeeze=False, sharey=sharey).flat)
    for axes in every[panels:]:
        axes.remove()
    return figure, every[:panels]


def step_bands(bands: Mapping[str, Band], axes: Axes, styles: Styles) -> None:
    """Draw curves that are step functions, with their intervals.

    :param bands: by arm
    :param axes: where
    :param styles: of the arms to draw
    """
    for arm, style in styles.items():
        if arm not in bands:
            continue
        found = bands[arm]
        axes.plot(found.x, found.value, drawstyle="steps-post", **style)
        band(axes, found.x, found.low, found.high, style, step="post")


def bands_table(shown: Mapping[str, Mapping[str, Band]], arms: Collection[str]) -> pd.DataFrame:
    """Collect the numbers of curves, to be downloaded beside their figure.

    :param shown: label of the x axis -> arm -> curve
    :param arms: those that are drawn
    """
    return pd.concat(
        [
            pd.DataFrame({"arm": arm, "against": label, **asdict(found)})
            for label, bands in shown.items()
            for arm, found in bands.items()
            if arm in arms
        ],
        ignore_index=True,
    )
