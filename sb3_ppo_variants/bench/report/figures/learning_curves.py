"""Learning curves: all arms in one panel, or one panel for each of many arms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sb3_ppo_variants.bench.report.figures.names import legend, titles
from sb3_ppo_variants.bench.report.figures.panels import apart, many
from sb3_ppo_variants.bench.report.figures.style import (
    Drawing,
    Styles,
    band,
    columns,
    grid,
    line_styles,
    page_style,
    short_numbers,
    step_axis,
)
from sb3_ppo_variants.bench.report.numbers import quantity
from sb3_ppo_variants.bench.statistics.efficiency import Course
from sb3_ppo_variants.bench.statistics.intervals import mean_bands
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.keys import RETURN
from sb3_ppo_variants.bench.study.run import plain_id

TITLE = "Learning curves"

Curves = Mapping[tuple[str, str], pd.DataFrame]


def learning_curves(results: pd.DataFrame, summary: Summary) -> Drawing:
    """Mean return against steps, with 95 % intervals over the seeds, which are cut beyond the returns of the runs.

    One panel for each environment with a finished run while there is a colour for every arm; with more arms, one panel
    for each of them beside the baseline.

    :param results: the results table, with the metric in place of the return
    :param summary: gives the order of arms and environments
    """
    curves = {
        (str(arm), str(environment)): _curve(rows)
        for (arm, environment), rows in results.groupby(["arm", "environment"])
    }
    order = [(arm, name) for name in summary.environments for arm in summary.labels if (arm, name) in curves]
    environments = list(dict.fromkeys(name for _, name in order))
    data = pd.concat([curves[key].assign(arm=key[0], environment=key[1]) for key in order], ignore_index=True)
    with mpl.rc_context(page_style()):
        if many(summary.labels):
            blocks = {
                f"{plain_id(name)}: {summary.metric} against environment steps": partial(_draw, curves, name)
                for name in environments
            }
            figure = apart(summary, blocks, partial(_finish, label=""))
        else:
            figure = _together(curves, environments, summary)
    title = TITLE if summary.metric == RETURN else f"{TITLE}, {summary.metric}"
    return Drawing(figure, title, data[["arm", "environment", "timesteps", "mean", "low", "high"]])


def _curve(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean of the runs of an arm with its interval, and the least and the greatest of them.

    Runs may have been evaluated at different steps: each counts with its latest evaluation, wherever all have begun and
    none is over.
    """
    runs = [
        Course(run["timesteps"].to_numpy(), run["mean_return"].to_numpy(dtype=float))
        for _, run in rows.sort_values("timesteps").groupby("seed")
    ]
    steps = np.unique(rows["timesteps"])
    steps = steps[(steps >= max(run.x[0] for run in runs)) & (steps <= min(run.x[-1] for run in runs))]
    returns = np.stack([run.latest(steps) for run in runs], axis=-1)
    mean, low, high = mean_bands(returns)
    least, greatest = returns.min(axis=-1), returns.max(axis=-1)
    columns = {"mean": mean, "low": low, "high": high, "least": least, "greatest": greatest}
    return pd.DataFrame({"timesteps": steps, **columns})


def _together(curves: Curves, environments: Sequence[str], summary: Summary) -> Figure:
    figure, panels = grid(len(environments), height=3.0)
    styles = line_styles(summary.arms, summary.labels)
    for axes, environment in zip(panels, environments, strict=True):
        _draw(curves, environment, axes, styles)
        _finish(axes)
    titles(figure, panels, map(plain_id, environments))
    for axes in panels[:: columns(len(panels))]:
        axes.set_ylabel(quantity(summary.metric))
    legend(figure, styles, summary.labels)
    return figure


def _draw(curves: Curves, environment: str, axes: Axes, styles: Styles) -> None:
    drawn = {arm: curves[arm, environment] for arm in styles if (arm, environment) in curves}
    for arm, curve in drawn.items():
        axes.plot(curve["timesteps"], curve["mean"], **styles[arm])
        band(axes, curve["timesteps"], curve["low"], curve["high"], styles[arm])
    _fit_height(axes, drawn.values())


def _finish(axes: Axes, label: str = "environment steps") -> None:
    step_axis(axes, label)
    short_numbers(axes.yaxis)


def _fit_height(axes: Axes, curves: Iterable[pd.DataFrame]) -> None:
    """Fit a panel to the single runs, between which the means lie; intervals of few seeds are many times as wide."""
    bounds = np.array([(curve["least"].min(), curve["greatest"].max()) for curve in curves])
    known = bounds[np.isfinite(bounds)]
    if len(known):
        axes.dataLim.intervaly = known.min(), known.max()
