"""Sample efficiency: the aggregate score against environment steps and against seconds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter

from sb3_ppo_variants.bench.report.figures.names import legend
from sb3_ppo_variants.bench.report.figures.panels import apart, many
from sb3_ppo_variants.bench.report.figures.style import (
    Drawing,
    Styles,
    bands_table,
    grid,
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

    A dot at the end of a curve is the aggregate score of the arm, of more than the last evaluations. Where half of the
    curves end near the reference score, the axis is stretched there.

    :param summary: the statistics, with curves
    """
    curves = {"environment steps": summary.curves.steps, "seconds of training": summary.curves.seconds}
    shown = {label: bands for label, bands in curves.items() if bands}
    near = bool(np.median([found.value[-1] for found in summary.curves.steps.values()]) >= NEAR)
    with mpl.rc_context(page_style()):
        if many(summary.labels):
            blocks = {
                f"{SCORE.capitalize()} against {label}": partial(_draw, summary, bands)
                for label, bands in shown.items()
            }
            figure = apart(summary, blocks, partial(_finish, near, ""))
        else:
            figure = _together(summary, shown, near)
    return Drawing(figure, "Sample efficiency", bands_table(shown, summary.labels))


def _together(summary: Summary, shown: Mapping[str, Mapping[str, Band]], near: bool) -> Figure:
    figure, panels = grid(len(shown), height=3.05, spare=1.3, sharey=True)
    styles = line_styles(summary.arms, summary.labels)
    for axes, (label, bands) in zip(panels, shown.items(), strict=True):
        _draw(summary, bands, axes, styles)
        _finish(near, label, axes)
    panels[0].set_ylabel(SCORE)
    legend(figure, styles, summary.labels)
    return figure


def _draw(summary: Summary, bands: Mapping[str, Band], axes: Axes, styles: Styles) -> None:
    step_bands(bands, axes, styles)
    for arm, style in styles.items():
        if arm in bands:
            of_arm = {"color": style["color"], "gid": style["gid"]}
            axes.plot(bands[arm].x[-1], summary.aggregates[arm].iqm.value, "o", markersize=scaled(4.0), **of_arm)


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
