"""Aggregate score and probability of improvement of each arm, dots with intervals."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from sb3_ppo_variants.bench.report.figures.style import Drawing, line_styles, page_style, scaled, width_of
from sb3_ppo_variants.bench.statistics.intervals import Estimate
from sb3_ppo_variants.bench.statistics.summary import Summary


def intervals(summary: Summary) -> Drawing:
    """Aggregate score of each arm and its probability of improvement over the baseline, dots with intervals.

    :param summary: the statistics
    """
    with mpl.rc_context(page_style()):
        layout = ConstrainedLayoutEngine(w_pad=0.12)
        figure = Figure(figsize=(width_of(8.6), scaled(0.9 + 0.36 * len(summary.labels))), layout=layout)
        left, right = figure.subplots(1, 2, sharey=True)
        _dots(left, summary, {arm: found.iqm for arm, found in summary.aggregates.items()})
        left.set_title("Interquartile mean")
        left.set_xlabel("normalised score")
        _dots(right, summary, {arm: found.improvement for arm, found in summary.comparisons.items()})
        right.set_title(f"Beats {summary.baseline}")
        right.set_xlabel("probability of improvement")
        right.set_xlim(-0.03, 1.03)
        right.axvline(0.5, color="#8c8c8c", linewidth=1, linestyle=(0, (3, 2)), zorder=1)
    improvements = {arm: found.improvement for arm, found in summary.comparisons.items()}
    quantities = {"iqm": {arm: found.iqm for arm, found in summary.aggregates.items()}, "improvement": improvements}
    data = pd.DataFrame(
        [
            {"arm": arm, "quantity": name, **found[arm]._asdict()}
            for name, found in quantities.items()
            for arm in summary.labels
            if arm in found
        ],
        columns=["arm", "quantity", *Estimate._fields],
    )
    return Drawing(figure, "Aggregate score and probability of improvement", data)


def _dots(axes: Axes, summary: Summary, estimates: dict[str, Estimate]) -> None:
    labels, styles = summary.labels, line_styles(summary.arms)
    for position, arm in enumerate(labels):
        if arm not in estimates:
            continue
        value, low, high = estimates[arm]
        of_arm = {"color": styles[arm]["color"], "gid": styles[arm]["gid"]}
        axes.plot([low, high], [position, position], linewidth=scaled(5.0), alpha=0.35, **of_arm)
        axes.plot(value, position, "o", markersize=scaled(7.0), **of_arm)
    axes.set_yticks(range(len(labels)), list(labels.values()))
    axes.tick_params(axis="y", labelsize=scaled(9.5), labelcolor="#262626")
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6))
