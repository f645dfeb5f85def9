"""Performance profiles: the share of the runs above each normalised score."""

from __future__ import annotations

from functools import partial

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sb3_ppo_variants.bench.report.figures.names import legend
from sb3_ppo_variants.bench.report.figures.panels import apart, many
from sb3_ppo_variants.bench.report.figures.style import (
    Drawing,
    bands_table,
    grid,
    line_styles,
    page_style,
    step_bands,
)
from sb3_ppo_variants.bench.statistics.summary import Summary

SHARE = "share of runs above a normalised score $\\tau$"


def profiles(summary: Summary) -> Drawing:
    """Share of the runs of each arm above each normalised score; one panel for each of many arms.

    :param summary: the statistics, with profiles
    """
    with mpl.rc_context(page_style()):
        if many(summary.labels):
            figure = apart(summary, {SHARE.capitalize(): partial(step_bands, summary.profiles)}, _finish)
        else:
            figure = _together(summary)
    return Drawing(figure, "Performance profiles", bands_table({"score": summary.profiles}, summary.labels))


def _together(summary: Summary) -> Figure:
    figure, (axes,) = grid(1, height=3.05)
    styles = line_styles(summary.arms, summary.labels)
    step_bands(summary.profiles, axes, styles)
    _finish(axes)
    axes.set_xlabel("normalised score $\\tau$")
    axes.set_ylabel("share of runs above $\\tau$")
    legend(figure, styles, summary.labels)
    return figure


def _finish(axes: Axes) -> None:
    axes.set_ylim(-0.03, 1.03)
    axes.margins(x=0.01)
