"""The figures of a report, from tables and statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from sb3_ppo_variants.bench.stats import Array, Estimate
from sb3_ppo_variants.bench.style import STYLE, Drawing, legend, line_styles, step_axis
from sb3_ppo_variants.bench.summary import Summary

BAND = 0.13
# On the axis of steps, where a run has more updates.
POINTS = 100
KL_TITLES = {"kl": "exact KL(old || new) after the update [nats]", "approx_kl": "approx_kl, SB3's estimate [nats]"}


def intervals(summary: Summary) -> Drawing:
    """Aggregate score of each arm and its probability of improvement over the baseline, dots with intervals.

    :param summary: the statistics
    """
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.12)
        figure = Figure(figsize=(8.6, 0.9 + 0.36 * len(summary.arms)), layout=layout)
        left, right = figure.subplots(1, 2, sharey=True)
        _dots(left, summary.arms, {arm: found.iqm for arm, found in summary.aggregates.items()})
        left.set_title("Interquartile mean")
        left.set_xlabel("normalised score")
        _dots(right, summary.arms, {arm: found.improvement for arm, found in summary.comparisons.items()})
        right.set_title("Beats stock PPO")
        right.set_xlabel("probability of improvement")
        right.set_xlim(-0.03, 1.03)
        right.axvline(0.5, color="#8c8c8c", linewidth=1, linestyle=(0, (3, 2)), zorder=1)
    improvements = {arm: found.improvement for arm, found in summary.comparisons.items()}
    quantities = {"iqm": {arm: found.iqm for arm, found in summary.aggregates.items()}, "improvement": improvements}
    data = pd.DataFrame(
        [
            {"arm": arm, "quantity": name, **found[arm]._asdict()}
            for name, found in quantities.items()
            for arm in summary.arms
            if arm in found
        ],
        columns=["arm", "quantity", *Estimate._fields],
    )
    return Drawing(figure, "Aggregate score and probability of improvement", data)


def updates(table: pd.DataFrame, environment: str, arms: list[str], coefficients: Sequence[str]) -> Drawing:
    """KL and the coefficients that move, against steps: mean over the seeds, band from least to greatest.

    Runs with more than 100 updates are drawn by the median of each hundredth of the steps.

    :param table: the updates table
    :param environment: which environment
    :param arms: arm names, in order
    :param coefficients: different names of arguments; those that move get a panel, unless they
        move in the same way in all arms
    """
    rows = table[table["environment"] == environment]
    shown = [key for key in KL_TITLES if _logged(rows, key)]
    shown += [key for key in coefficients if key not in shown and _moves(rows, key)]
    styles = line_styles(arms)
    drawn = [pd.DataFrame(columns=["arm", "quantity", "timesteps", "mean", "min", "max"])]
    with mpl.rc_context(STYLE):
        figure, panels = grid(max(1, len(shown)), height=2.5)
        for axes, key in zip(panels, shown, strict=False):
            for arm in arms:
                curve = _over_seeds(rows[rows["arm"] == arm].dropna(subset=[key]), key)
                axes.plot(curve.index, curve["mean"], **styles[arm])
                band(axes, curve.index, curve["min"], curve["max"], styles[arm])
                drawn.append(curve.reset_index().assign(arm=arm, quantity=key))
            axes.set_title(KL_TITLES.get(key, key))
            if "kl" in key:
                _logarithmic(axes, rows[key].dropna().to_numpy(dtype=float))
            step_axis(axes, f"environment steps, {environment}")
        legend(figure, styles, [arm for arm in arms if any(rows.loc[rows["arm"] == arm, shown].notna().any())])
    data = pd.concat([frame for frame in drawn if len(frame)] or drawn, ignore_index=True)[drawn[0].columns]
    return Drawing(figure, f"KL and coefficients, {environment}", data)


def _over_seeds(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """Mean, least and greatest of the seeds against steps."""
    steps = rows["timesteps"]
    if rows.groupby("seed")["timesteps"].nunique().max() > POINTS:
        stretch = steps.max() / POINTS
        steps = np.ceil(steps / stretch) * stretch
    medians = rows.assign(timesteps=steps).groupby(["timesteps", "seed"])[key].median()
    return medians.groupby("timesteps").agg(["mean", "min", "max"])


def band(axes: Axes, x: Any, low: Any, high: Any, style: dict[str, Any], step: Literal["post"] | None = None) -> None:
    """Draw the interval of a curve in the colour of its line.

    :param axes: where
    :param x: places of the points
    :param low: lower bounds
    :param high: upper bounds
    :param style: style of the line
    :param step: ``post`` for step functions
    """
    axes.fill_between(x, low, high, step=step, color=style["color"], alpha=BAND, linewidth=0, gid=style["gid"])


def columns(panels: int) -> int:
    """Return the number of columns in which panels are laid out."""
    return panels if panels <= 3 else 2 if panels == 4 else 3


def grid(panels: int, height: float) -> tuple[Figure, list[Axes]]:
    """Make a figure of equal panels.

    :param panels: how many
    :param height: of one panel, in inches
    """
    across = columns(panels)
    rows = math.ceil(panels / across)
    width = 5.6 if across == 1 else 4.3 * across
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
    figure = Figure(figsize=(width, 0.35 + height * rows), layout=layout)
    every = list(figure.subplots(rows, across, squeeze=False).flat)
    for axes in every[panels:]:
        axes.remove()
    return figure, every[:panels]


def _dots(axes: Axes, arms: list[str], estimates: dict[str, Estimate]) -> None:
    styles = line_styles(arms)
    for position, arm in enumerate(arms):
        if arm not in estimates:
            continue
        value, low, high = estimates[arm]
        of_arm = {"color": styles[arm]["color"], "gid": styles[arm]["gid"]}
        axes.plot([low, high], [position, position], linewidth=5, alpha=0.35, **of_arm)
        axes.plot(value, position, "o", markersize=7, **of_arm)
    axes.set_yticks(range(len(arms)), arms)
    axes.tick_params(axis="y", labelsize=9.5, labelcolor="#262626")
    axes.set_ylim(len(arms) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6))


def _logged(rows: pd.DataFrame, key: str) -> bool:
    return key in rows and bool(rows[key].notna().any())


def _moves(rows: pd.DataFrame, key: str) -> bool:
    """Whether a coefficient changes within some run, and not in the same way in all arms."""
    if not _logged(rows, key):
        return False
    changes = rows.groupby(["arm", "seed"])[key].nunique() > 1
    shared = bool(rows.groupby("arm")[key].any().all()) and bool((rows.groupby("timesteps")[key].nunique() <= 1).all())
    return bool(changes.any()) and not shared


def _logarithmic(axes: Axes, values: Array) -> None:
    """Use a logarithmic axis for values over more than one power of ten; zeros and less are drawn below it."""
    positive = values[values > 0]
    if len(positive) and positive.max() > 10 * positive.min():
        axes.set_yscale("log", nonpositive="clip")
        bottom, top = np.percentile(positive, 1) / 1.5, positive.max() * 1.5
        axes.set_ylim(bottom, top)
        # With few powers of ten in sight, some numbers between them are labelled too.
        decades = math.log10(top / bottom)
        steps = (1,) if decades > 3 else (1, 3) if decades > 1.5 else (1, 2, 5)
        axes.yaxis.set_major_locator(LogLocator(subs=steps))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
