"""Sample efficiency: the aggregate score against environment steps and against seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter

from sb3_ppo_variants.bench.report.figures.panels import apart, many
from sb3_ppo_variants.bench.report.figures.style import (
    Drawing,
    bands_table,
    grid,
    legend,
    line_styles,
    page_style,
    scaled,
    step_axis,
    step_bands,
)
from sb3_ppo_variants.bench.statistics.intervals import Array, Band
from sb3_ppo_variants.bench.statistics.summary import Summary

SCORE = "interquartile mean of scores"
# Where half of the curves end at this score or above, the axis is stretched around the reference score 1.
NEAR, WIDTH = 0.8, 0.05
TICKS = [1 + sign * distance for sign in (-1, 1) for distance in (0.0, 0.05, 0.2, 1.0, 5.0)]


def efficiency(summary: Summary) -> Drawing:
    """Interquartile mean of the normalised scores against steps, and against seconds for the arms that have them.

    The last value of each curve is a dot. Where half of them end near the reference score, the axis is
    stretched there.

    :param summary: the statistics, with curves
    """
    curves = {"environment steps": summary.curves.steps, "seconds of training": summary.curves.seconds}
    shown = {label: bands for label, bands in curves.items() if bands}
    near = bool(np.median([found.value[-1] for found in summary.curves.steps.values()]) >= NEAR)
    with mpl.rc_context(page_style()):
        if many(summary.labels):
            blocks = {
                f"{SCORE.capitalize()} against {label}": partial(_draw, summary.arms, bands)
                for label, bands in shown.items()
            }
            figure = apart(summary, blocks, partial(_finish, near, ""))
        else:
            figure = _together(summary, shown, near)
    return Drawing(figure, "Sample efficiency", bands_table(shown, summary.labels))


def _together(summary: Summary, shown: Mapping[str, Mapping[str, Band]], near: bool) -> Figure:
    figure, panels = grid(len(shown), height=3.05, spare=1.3, sharey=True)
    for axes, (label, bands) in zip(panels, shown.items(), strict=True):
        _draw(summary.arms, bands, axes, list(summary.labels))
        _finish(near, label, axes)
    panels[0].set_ylabel(SCORE)
    legend(figure, line_styles(summary.arms), summary.labels)
    return figure


def _draw(arms: Sequence[str], bands: Mapping[str, Band], axes: Axes, shown: Sequence[str]) -> None:
    step_bands(axes, arms, bands, shown)
    styles = line_styles(arms)
    for arm in shown:
        if arm in bands:
            style = {"color": styles[arm]["color"], "gid": styles[arm]["gid"]}
            axes.plot(bands[arm].x[-1], bands[arm].value[-1], "o", markersize=scaled(4.0), **style)


def _finish(near: bool, label: str, axes: Axes) -> None:
    if near:
        axes.set_yscale("function", functions=(_stretched, _unstretched))
        axes.yaxis.set_major_locator(FixedLocator(sorted(set(TICKS))))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    step_axis(axes, label)
    axes.margins(x=0.02)


def _stretched(score: Array) -> Array:
    """Linear near 1, where curves end, and logarithmic in the distance to 1 elsewhere."""
    return np.arcsinh((score - 1) / WIDTH)


def _unstretched(place: Array) -> Array:
    return 1 + WIDTH * np.sinh(place)
