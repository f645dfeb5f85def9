"""Learning curves: all arms in one panel, or one panel for each of many arms."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from sb3_ppo_variants.bench.report.figures.style import (
    PALETTE,
    STYLE,
    Drawing,
    band,
    columns,
    grid,
    legend,
    line_styles,
    step_axis,
)
from sb3_ppo_variants.bench.statistics.intervals import mean_bands
from sb3_ppo_variants.bench.statistics.summary import Summary

TITLE = "Learning curves"
# Panels in a row when every arm has its own.
ACROSS = 6
# Of the figure, and of a letter in the title of a panel.
WIDTH, INCHES_OF_LETTER = 12.0, 0.085
# Inches of a block of panels: above its first row, of a row, and below the last.
_TITLE, _ROW, _LABELS = 0.55, 1.35, 0.35

Curves = Mapping[tuple[str, str], pd.DataFrame]


def learning_curves(results: pd.DataFrame, summary: Summary) -> Drawing:
    """Mean return against steps, with 95 % intervals over the seeds.

    One panel per environment while there is a colour for every arm; with more arms, one panel for each of them
    beside the baseline.

    :param results: the results table
    :param summary: gives the order of arms and environments
    """
    curves = {
        (str(arm), str(environment)): _curve(rows)
        for (arm, environment), rows in results.groupby(["arm", "environment"])
    }
    order = [(arm, name) for name in summary.environments for arm in summary.arms if (arm, name) in curves]
    data = pd.concat([curves[key].assign(arm=key[0], environment=key[1]) for key in order], ignore_index=True)
    with mpl.rc_context(STYLE):
        figure = _together(curves, summary) if len(summary.arms) <= len(PALETTE) + 1 else _apart(curves, summary)
    return Drawing(figure, TITLE, data[["arm", "environment", "timesteps", "mean_return", "low", "high"]])


def _curve(rows: pd.DataFrame) -> pd.DataFrame:
    runs = rows.pivot(index="seed", columns="timesteps", values="mean_return")
    mean, low, high = mean_bands(runs.to_numpy(dtype=float).T)
    return pd.DataFrame({"timesteps": runs.columns, "mean_return": mean, "low": low, "high": high})


def _together(curves: Curves, summary: Summary) -> Figure:
    figure, panels = grid(len(summary.environments), height=3.0)
    for axes, environment in zip(panels, summary.environments, strict=True):
        _draw(axes, curves, summary, summary.arms, environment)
        axes.set_title(environment)
        step_axis(axes)
    for axes in panels[:: columns(len(panels))]:
        axes.set_ylabel("return of an episode")
    legend(figure, line_styles(summary.arms), summary.arms)
    return figure


def _apart(curves: Curves, summary: Summary) -> Figure:
    others = summary.arms[1:]
    height = _TITLE + _ROW * math.ceil(len(others) / _across(others)) + _LABELS
    # Margins in inches: a layout engine takes as long as the drawing of so many panels.
    figure = Figure(figsize=(WIDTH, height * len(summary.environments)))
    for number, environment in enumerate(summary.environments):
        _block(figure, number * height, curves, summary, others, environment)
    return figure


def _across(arms: list[str]) -> int:
    """Panels in a row: so many that the longest name fits above its own."""
    return max(1, min(ACROSS, int(WIDTH / (INCHES_OF_LETTER * max(map(len, arms))))))


def _block(figure: Figure, below: float, curves: Curves, summary: Summary, others: list[str], environment: str) -> None:
    """Draw the panels of an environment, so many inches below the upper edge of the figure."""
    across = _across(others)
    rows = math.ceil(len(others) / across)
    total = figure.get_figheight()
    title = f"{environment}: return against environment steps, {summary.arms[0]} in grey"
    figure.text(
        0.01, 1 - (below + 0.08) / total, title, ha="left", va="top", fontsize=10.5, fontweight="bold"
    )  # fmt: skip
    places = figure.add_gridspec(
        rows,
        across,
        left=0.6 / WIDTH,
        right=1 - 0.15 / WIDTH,
        top=1 - (below + _TITLE) / total,
        bottom=1 - (below + _TITLE + _ROW * rows) / total,
        wspace=0.12,
        hspace=0.3,
    )
    panels = [figure.add_subplot(places[divmod(position, across)]) for position in range(len(others))]
    for axes, arm in zip(panels, others, strict=True):
        _draw(axes, curves, summary, [summary.arms[0], arm], environment)
    # The limits that shared axes would have; matplotlib takes quadratic time for many of those.
    limits = Bbox.union([axes.dataLim for axes in panels])
    for position, (axes, arm) in enumerate(zip(panels, others, strict=True)):
        axes.update_datalim(limits.get_points())
        step_axis(axes, "")
        axes.tick_params(labelbottom=position + across >= len(others), labelleft=position % across == 0)
        axes.set_title(arm, fontsize=8.5, fontweight="normal")


def _draw(axes: Axes, curves: Curves, summary: Summary, arms: Iterable[str], environment: str) -> None:
    styles = line_styles(summary.arms)
    for arm in arms:
        if (arm, environment) in curves:
            curve = curves[arm, environment]
            axes.plot(curve["timesteps"], curve["mean_return"], **styles[arm])
            band(axes, curve["timesteps"], curve["low"], curve["high"], styles[arm])
