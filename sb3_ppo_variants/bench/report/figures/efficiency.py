"""Sample efficiency: the aggregate score against environment steps and against seconds."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from sb3_ppo_variants.bench.report.figures.style import (
    STYLE,
    Drawing,
    bands_table,
    legend,
    line_styles,
    step_axis,
    step_bands,
)
from sb3_ppo_variants.bench.statistics.summary import Summary


def efficiency(summary: Summary) -> Drawing:
    """Interquartile mean of the normalised scores against steps, and against seconds for the arms that have them.

    :param summary: the statistics, with curves
    """
    curves = {"environment steps": summary.curves.steps, "seconds of training": summary.curves.seconds}
    shown = {label: bands for label, bands in curves.items() if bands}
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
        figure = Figure(figsize=(1.3 + 4.3 * len(shown), 3.4), layout=layout)
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, (label, bands) in zip(panels, shown.items(), strict=True):
            step_bands(axes, summary.arms, bands)
            step_axis(axes, label)
        panels[0].set_ylabel("interquartile mean of scores")
        legend(figure, line_styles(summary.arms), summary.arms)
    return Drawing(figure, "Sample efficiency", bands_table(shown))
