"""One panel for each of many arms beside the baseline, where a single panel has more lines than colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from sb3_ppo_variants.bench.report.figures.colours import PALETTE
from sb3_ppo_variants.bench.report.figures.style import Styles, line_styles, scaled, width_of
from sb3_ppo_variants.bench.statistics.summary import Summary

# Of the only arm beside the baseline: its panel has its name, and the colours of many arms are no longer different.
_ALONE = {"color": PALETTE[0], "linestyle": "-"}
# Panels in a row.
ACROSS = 6
# Of the figure, and of a letter in the title of a panel.
WIDTH, INCHES_OF_LETTER = 12.0, 0.085
# Inches of a block of panels: above its first row, of a row, and below the last.
_TITLE, _ROW, _LABELS = 0.55, 1.35, 0.35

# Draws the arms that have a style.
Draw = Callable[[Axes, Styles], None]


def many(arms: Collection[str]) -> bool:
    """Whether arms get a panel each: there are not enough colours to tell them apart in one.

    :param arms: names of the arms that are shown
    """
    return len(arms) > len(PALETTE) + 1


def apart(summary: Summary, blocks: Mapping[str, Draw], finish: Callable[[Axes], None]) -> Figure:
    """Draw each arm beside the baseline, in one block of panels with common limits for each title.

    :param summary: says which arms are shown, and what they are called
    :param blocks: title -> what draws arms into a panel
    :param finish: sets the axes of a panel
    """
    baseline, styles = summary.arms[0], line_styles(summary.arms)
    others = {arm: label for arm, label in summary.labels.items() if arm != baseline}
    height = scaled(_TITLE + _ROW * math.ceil(len(others) / _across(others)) + _LABELS)
    # Margins in inches: a layout engine takes as long as the drawing of so many panels.
    figure = Figure(figsize=(width_of(WIDTH), height * len(blocks)))
    for number, (title, draw) in enumerate(blocks.items()):
        heading = f"{title}, {summary.labels.get(baseline, baseline)} in grey"
        panels = _block(figure, number * height, len(others), _across(others), heading)
        for axes, arm in zip(panels, others, strict=True):
            draw(axes, {baseline: styles[baseline], arm: {**styles[arm], **_ALONE}})
        _share_limits(panels, finish)
        for position, (axes, label) in enumerate(zip(panels, others.values(), strict=True)):
            last, first = position + _across(others) >= len(others), position % _across(others) == 0
            axes.tick_params(labelbottom=last, labelleft=first)
            axes.set_title(label, fontsize=scaled(8.5), fontweight="normal")
    return figure


def _across(labels: Mapping[str, str]) -> int:
    """Panels in a row: so many that the longest name fits above its own."""
    longest = max(map(len, labels.values()))
    return max(1, min(ACROSS, int(width_of(WIDTH) / (scaled(INCHES_OF_LETTER) * longest))))


def _block(figure: Figure, below: float, panels: int, across: int, heading: str) -> list[Axes]:
    """Make a block of panels, so many inches below the upper edge of the figure."""
    rows = math.ceil(panels / across)
    width, total = width_of(WIDTH), figure.get_figheight()
    figure.text(
        0.01,
        1 - (below + scaled(0.08)) / total,
        heading,
        ha="left",
        va="top",
        fontsize=scaled(10.5),
        fontweight="bold",
    )
    places = figure.add_gridspec(
        rows,
        across,
        left=scaled(0.6) / width,
        right=1 - scaled(0.15) / width,
        top=1 - (below + scaled(_TITLE)) / total,
        bottom=1 - (below + scaled(_TITLE + _ROW * rows)) / total,
        wspace=0.12,
        hspace=0.3,
    )
    return [figure.add_subplot(places[divmod(position, across)]) for position in range(panels)]


def _share_limits(panels: Sequence[Axes], finish: Callable[[Axes], None]) -> None:
    """Give panels the limits that shared axes would have; matplotlib takes quadratic time for many of those."""
    limits = Bbox.union([axes.dataLim for axes in panels])
    for axes in panels:
        axes.update_datalim(limits.get_points())
        finish(axes)
