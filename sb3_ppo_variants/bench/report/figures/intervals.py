"""Aggregate score and probability of improvement of each arm, dots with intervals."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from sb3_ppo_variants.bench.report.figures.names import LETTER, shortened
from sb3_ppo_variants.bench.report.figures.style import Drawing, line_styles, page_style, scaled, width_of
from sb3_ppo_variants.bench.statistics.intervals import Estimate
from sb3_ppo_variants.bench.statistics.summary import Summary

_TITLES = {"iqm": "Aggregate score", "improvement": "probability of improvement"}
# Of the width, for the names of the arms.
_NAMES = 0.45


def intervals(summary: Summary) -> Drawing:
    """Aggregate score of each arm and its probability of improvement over the baseline, dots with intervals.

    Where no arm that is shown is compared with the baseline, as with a single arm, there are aggregate scores alone.

    :param summary: the statistics
    """
    scores = {arm: summary.aggregates[arm].iqm for arm in summary.labels}
    improvements = {arm: summary.comparisons[arm].improvement for arm in summary.labels if arm in summary.comparisons}
    quantities = {"iqm": scores, **({"improvement": improvements} if improvements else {})}
    with mpl.rc_context(page_style()):
        layout = ConstrainedLayoutEngine(w_pad=0.12)
        width = width_of(8.6 if improvements else 5.6)
        figure = Figure(figsize=(width, scaled(0.9 + 0.36 * len(summary.labels))), layout=layout)
        panels = list(figure.subplots(1, len(quantities), sharey=True, squeeze=False).flat)
        for axes, estimates in zip(panels, quantities.values(), strict=True):
            _dots(axes, summary, estimates, int(_NAMES * width / scaled(LETTER)))
        panels[0].set_title("Interquartile mean")
        panels[0].set_xlabel("normalised score")
        if improvements:
            _even(panels[1], summary.baseline)
    data = pd.DataFrame(
        [
            {"arm": arm, "quantity": name, **estimate._asdict()}
            for name, estimates in quantities.items()
            for arm, estimate in estimates.items()
        ],
        columns=["arm", "quantity", *Estimate._fields],
    )
    return Drawing(figure, " and ".join(_TITLES[name] for name in quantities), data)


def _even(axes: Axes, baseline: str) -> None:
    """Finish a panel of probabilities, with a line where neither side is better."""
    axes.set_title(f"Beats {baseline}")
    axes.set_xlabel("probability of improvement")
    axes.set_xlim(-0.03, 1.03)
    axes.axvline(0.5, color="#8c8c8c", linewidth=1, linestyle=(0, (3, 2)), zorder=1)


def _dots(axes: Axes, summary: Summary, estimates: dict[str, Estimate], letters: int) -> None:
    labels, styles = summary.labels, line_styles(summary.arms)
    for position, arm in enumerate(labels):
        if arm not in estimates:
            continue
        value, low, high = estimates[arm]
        of_arm = {"color": styles[arm]["color"], "gid": styles[arm]["gid"]}
        axes.plot([low, high], [position, position], linewidth=scaled(5.0), alpha=0.35, **of_arm)
        axes.plot(value, position, "o", markersize=scaled(7.0), **of_arm)
    axes.set_yticks(range(len(labels)), [shortened(label, letters) for label in labels.values()])
    axes.tick_params(axis="y", labelsize=scaled(9.5), labelcolor="#262626")
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6))
