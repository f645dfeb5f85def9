"""Performance profiles: the share of the runs above each normalised score."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from sb3_ppo_variants.bench.report.figures.style import STYLE, Drawing, bands_table, legend, line_styles, step_bands
from sb3_ppo_variants.bench.statistics.summary import Summary


def profiles(summary: Summary) -> Drawing:
    """Share of the runs of each arm above each normalised score.

    :param summary: the statistics, with profiles
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.4), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
        axes = figure.subplots()
        step_bands(axes, summary.arms, summary.profiles)
        axes.set_ylim(-0.03, 1.03)
        axes.margins(x=0.01)
        axes.set_xlabel("normalised score $\\tau$")
        axes.set_ylabel("share of runs above $\\tau$")
        legend(figure, line_styles(summary.arms), summary.arms)
    return Drawing(figure, "Performance profiles", bands_table({"score": summary.profiles}))
