"""One panel for each of many arms beside the baseline, where a single panel has more lines than colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from sb3_ppo_variants.bench.report.figures.style import PALETTE

# Panels in a row.
ACROSS = 6
# Of the figure, and of a letter in the title of a panel.
WIDTH, INCHES_OF_LETTER = 12.0, 0.085
# Inches of a block of panels: above its first row, of a row, and below the last.
_TITLE, _ROW, _LABELS = 0.55, 1.35, 0.35

# Draws some of the arms.
Draw = Callable[[Axes, Sequence[str]], None]


def many(arms: Sequence[str]) -> bool:
    """Whether arms get a panel each: there are not enough colours to tell them apart in one.

    :param arms: names of all arms
    """
    return len(arms) > len(PALETTE) + 1


def apart(labels: Mapping[str, str], blocks: Mapping[str, Draw], finish: Callable[[Axes], None]) -> Figure:
    """Draw each arm beside the baseline, in one block of panels with common limits for each title.

    :param labels: arm -> what it is called, the baseline first
    :param blocks: title -> what draws arms into a panel
    :param finish: sets the axes of a panel
    """
    others = list(labels)[1:]
    height = _TITLE + _ROW * math.ceil(len(others) / _across(labels)) + _LABELS
    # Margins in inches: a layout engine takes as long as the drawing of so many panels.
    figure = Figure(figsize=(WIDTH, height * len(blocks)))
    for number, (title, draw) in enumerate(blocks.items()):
        _block(figure, number * height, labels, title, draw, finish)
    return figure


def _across(labels: Mapping[str, str]) -> int:
    """Panels in a row: so many that the longest name fits above its own."""
    longest = max(map(len, list(labels.values())[1:]))
    return max(1, min(ACROSS, int(WIDTH / (INCHES_OF_LETTER * longest))))


def _block(
    figure: Figure,
    below: float,
    labels: Mapping[str, str],
    title: str,
    draw: Draw,
    finish: Callable[[Axes], None],
) -> None:
    """Draw a block of panels, so many inches below the upper edge of the figure."""
    baseline, *others = labels
    across = _across(labels)
    rows = math.ceil(len(others) / across)
    total = figure.get_figheight()
    heading = f"{title}, {labels[baseline]} in grey"
    figure.text(0.01, 1 - (below + 0.08) / total, heading, ha="left", va="top", fontsize=10.5, fontweight="bold")
    places = figure.add_gridspec(
        rows,
        across,
        left=0.6 / WIDTH,
        right=1 - 0.15 / WIDTH,
        top=1 - (below + _TITLE) / total,
        bottom=1 - (below + _TITLE + _ROW * rows) / total,
        wspace=0.12,
        hspace=0.3,
    )
    panels = [figure.add_subplot(places[divmod(position, across)]) for position in range(len(others))]
    for axes, arm in zip(panels, others, strict=True):
        draw(axes, [baseline, arm])
    # The limits that shared axes would have; matplotlib takes quadratic time for many of those.
    limits = Bbox.union([axes.dataLim for axes in panels])
    for position, (axes, arm) in enumerate(zip(panels, others, strict=True)):
        axes.update_datalim(limits.get_points())
        finish(axes)
        axes.tick_params(labelbottom=position + across >= len(others), labelleft=position % across == 0)
        axes.set_title(labels[arm], fontsize=8.5, fontweight="normal")
