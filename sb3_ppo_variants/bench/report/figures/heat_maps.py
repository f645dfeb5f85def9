"""Heat map of a grid of two axes: the aggregate score of every arm, and the interaction of its levels."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from sb3_ppo_variants.bench.report.figures.style import STYLE, Drawing, page_style, scaled, width_of
from sb3_ppo_variants.bench.report.numbers import interval
from sb3_ppo_variants.bench.statistics.contrasts import MainEffects
from sb3_ppo_variants.bench.statistics.intervals import Estimate
from sb3_ppo_variants.bench.statistics.summary import Summary

# Of a cell and of the margins on the screen, in inches.
_ACROSS, _DOWN, _LEFT, _ABOVE = 1.15, 0.55, 1.1, 0.9
# Of the text of a cell in points, the smallest that can be read, and the width of a letter in its size.
_TEXT, _SMALLEST, _LETTER = 8.5, 5.0, 0.62
LINES, MORE_LINES = (" [",), (" [", " ")
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
    form = _form([*scores.values(), *interactions.values()], first, second)
    with mpl.rc_context(page_style()):
        figure = Figure(figsize=form.size, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06))
        shape = (2, 1) if form.stacked else (1, 2)
        panels = list(figure.subplots(*shape, sharey=True, squeeze=False).flat)
        for axes, values, title, colours, norm in (
            (panels[0], scores, "Interquartile mean", "Blues", Normalize()),
            (panels[1], interactions, "Interaction", "PuOr", CenteredNorm()),
        ):
            _cells(axes, effects.cells, (first, second), values, mpl.colormaps[colours], norm, form)
            axes.set_title(title)
            axes.set_xlabel(horizontal)
        for axes in panels if form.stacked else panels[:1]:
            axes.set_ylabel(vertical)
    data = pd.DataFrame(
        [
            {"arm": arm, "quantity": quantity, **values[arm]._asdict()}
            for quantity, values in (("iqm", scores), ("interaction", interactions))
            for arm in effects.cells
        ]
    )
    return Drawing(figure, grid_title(name), data)


class _Form(NamedTuple):
    """How cells are written, so that they fit.

    :param size: of the figure in inches
    :param stacked: whether the panels are below each other
    :param breaks: what of ``value [low, high]`` begins a new line; without any the cell has the value alone
    :param text: size of the text in points
    :param upright: whether the names below the columns are
    """

    size: tuple[float, float]
    stacked: bool
    breaks: tuple[str, ...]
    text: float
    upright: bool

    def cell(self, estimate: Estimate) -> str:
        """The text of a cell."""
        text = interval(estimate)
        if not self.breaks:
            return text.partition(" [")[0]
        for mark in self.breaks:
            text = text.replace(mark, f"\n{mark.lstrip()}")
        return text


def _form(values: Sequence[Estimate], rows: Sequence[str], columns: Sequence[str]) -> _Form:
    """Find how many lines a cell needs, and whether the panels fit beside each other.

    :param values: of all cells
    :param rows: names of the levels of the vertical axis
    :param columns: those of the horizontal axis
    """
    width = width_of(2 * (_LEFT + _ACROSS * len(columns)))
    names = _inches(max(map(len, rows)), STYLE["ytick.labelsize"]) + scaled(0.4)
    longest = _inches(max(map(len, columns)), STYLE["xtick.labelsize"])
    for stacked, breaks in (*itertools.product((False, True), (LINES, MORE_LINES)), (True, ())):
        across = ((width - 0.3) if stacked else (width - 0.4) / 2) - (names if stacked else names / 2)
        cell = across / len(columns)
        form = _Form((width, 0.0), stacked, breaks, scaled(_TEXT), longest > 0.95 * cell)
        needed = max(_inches(len(line), _TEXT) for value in values for line in form.cell(value).splitlines())
        # Smaller text comes before numbers that are left out.
        smallest = _SMALLEST / form.text if stacked and breaks == MORE_LINES else 1.0
        if smallest * needed <= 0.95 * cell:
            break
    text = max(_SMALLEST, min(1.0, 0.95 * cell / needed) * form.text)
    panel = scaled(_ABOVE + (_DOWN + 0.17 * (breaks == MORE_LINES)) * len(rows)) + (longest if form.upright else 0.0)
    return form._replace(size=(width, panel * (1 + stacked)), text=text)


def _inches(letters: int, size: float) -> float:
    return letters * _LETTER * scaled(size) / 72


def _cells(
    axes: Axes,
    cells: Mapping[str, tuple[str, str]],
    levels: tuple[Sequence[str], Sequence[str]],
    values: Mapping[str, Estimate],
    colours: Colormap,
    norm: Normalize,
    form: _Form,
) -> None:
    """Draw a coloured square with its number and its interval for every arm."""
    rows, columns = levels
    places = {arm: (rows.index(row), columns.index(column)) for arm, (row, column) in cells.items()}
    numbers = np.full((len(rows), len(columns)), np.nan)
    for arm, place in places.items():
        numbers[place] = values[arm].value
    axes.pcolormesh(numbers, cmap=colours, norm=norm, edgecolors="white", linewidth=1.5)
    for arm, (row, column) in places.items():
        # A cell without a number is not drawn.
        *shades, opacity = colours(norm(values[arm].value))
        colour = _ON_DARK if opacity and np.mean(shades) < _DARKNESS else _ON_LIGHT
        text = form.cell(values[arm])
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=form.text, color=colour)
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=90 if form.upright else 0)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.set_ylim(len(rows), 0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
