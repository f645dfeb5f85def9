"""Heat map of a grid of two axes: the aggregate score of every arm, and the interaction of its levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from sb3_ppo_variants.bench.report.figures.style import Drawing, page_style, scaled, width_of
from sb3_ppo_variants.bench.report.numbers import interval
from sb3_ppo_variants.bench.statistics.contrasts import MainEffects
from sb3_ppo_variants.bench.statistics.intervals import Estimate
from sb3_ppo_variants.bench.statistics.summary import Summary

# Of a cell and of the margins, in inches.
_ACROSS, _DOWN, _LEFT, _ABOVE = 1.15, 0.55, 1.1, 0.9
# Text on light and on dark cells, which keep their colours on a dark page.
_ON_LIGHT, _ON_DARK, _DARKNESS = "#1a1a1a", "#fdfdfd", 0.5


def grid_title(name: str) -> str:
    """Title of the figure of a grid.

    :param name: of the grid
    """
    return f"Grid {name}"


def heat_map(name: str, effects: MainEffects, summary: Summary) -> Drawing:
    """Interquartile mean of each arm of a grid of two axes, and its interaction, with their 95 % intervals.

    :param name: of the grid
    :param effects: its effects, with cells
    :param summary: the statistics
    """
    scores = {arm: summary.aggregates[arm].iqm for arm in effects.cells}
    interactions = {arm: found.difference for arm, found in effects.interactions.items()}
    vertical, horizontal = effects.axes
    first, second = ([level.name for level in levels] for levels in effects.axes.values())
    size = (width_of(2 * (_LEFT + _ACROSS * len(second))), scaled(_ABOVE + _DOWN * len(first)))
    with mpl.rc_context(page_style()):
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, values, title, colours, norm in (
            (panels[0], scores, "Interquartile mean", "Blues", Normalize()),
            (panels[1], interactions, "Interaction", "PuOr", CenteredNorm()),
        ):
            _cells(axes, effects.cells, (first, second), values, mpl.colormaps[colours], norm)
            axes.set_title(title)
            axes.set_xlabel(horizontal)
        panels[0].set_ylabel(vertical)
    data = pd.DataFrame(
        [
            {"arm": arm, "quantity": quantity, **values[arm]._asdict()}
            for quantity, values in (("iqm", scores), ("interaction", interactions))
            for arm in effects.cells
        ]
    )
    return Drawing(figure, grid_title(name), data)


def _cells(
    axes: Axes,
    cells: Mapping[str, tuple[str, str]],
    levels: tuple[Sequence[str], Sequence[str]],
    values: Mapping[str, Estimate],
    colours: Colormap,
    norm: Normalize,
) -> None:
    """Draw a coloured square with its number and its interval for every arm."""
    rows, columns = levels
    places = {arm: (rows.index(row), columns.index(column)) for arm, (row, column) in cells.items()}
    numbers = np.full((len(rows), len(columns)), np.nan)
    for arm, place in places.items():
        numbers[place] = values[arm].value
    axes.pcolormesh(numbers, cmap=colours, norm=norm, edgecolors="white", linewidth=1.5)
    for arm, (row, column) in places.items():
        shade = np.mean(colours(norm(values[arm].value))[:3])
        colour = _ON_DARK if shade < _DARKNESS else _ON_LIGHT
        text = interval(values[arm]).replace(" [", "\n[")
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=scaled(8.5), color=colour)
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.set_ylim(len(rows), 0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
