"""KL and coefficients over the updates of each run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from sb3_ppo_variants.bench.report.figures.names import legend, room, shortened
from sb3_ppo_variants.bench.report.figures.style import (
    Drawing,
    band,
    grid,
    line_styles,
    page_style,
    short_numbers,
    step_axis,
)
from sb3_ppo_variants.bench.statistics.intervals import Array

# On the axis of steps, where a run has more updates.
POINTS = 100
STEPS = "environment steps, "
# Drawn on an axis; matplotlib multiplies beyond it.
LARGEST = 1e300
KL_TITLES = {"kl": "exact KL(old || new) after the update [nats]", "approx_kl": "approx_kl, SB3's estimate [nats]"}


def updates(
    rows: pd.DataFrame, title: str, arms: Sequence[str], labels: Mapping[str, str], coefficients: Sequence[str]
) -> Drawing:
    """KL and the coefficients that move, against steps: mean over the seeds, band from least to greatest.

    Runs with more than 100 updates are drawn by the median of each hundredth of the steps.

    :param rows: of one environment in the updates table
    :param title: what the environment is called
    :param arms: names of all arms, whose order gives the colours
    :param labels: arm -> what it is called, of those that are shown, in order
    :param coefficients: different names of arguments; those that move get a panel, unless they
        move in the same way in all arms
    """
    rows = rows[rows["arm"].isin(list(labels))]
    shown = [key for key in KL_TITLES if _logged(rows, key)]
    shown += [key for key in coefficients if key not in shown and _moves(rows, key)]
    styles = line_styles(arms)
    drawn = [pd.DataFrame(columns=["arm", "quantity", "timesteps", "mean", "min", "max"])]
    with mpl.rc_context(page_style()):
        figure, panels = grid(max(1, len(shown)), height=2.5)
        for axes, key in zip(panels, shown, strict=False):
            curves = _over_seeds(rows[["arm", "seed", "timesteps", key]].dropna(), key)
            for arm in labels:
                curve = curves[curves["arm"] == arm]
                axes.plot(curve["timesteps"], curve["mean"], **styles[arm])
                band(axes, curve["timesteps"], curve["min"], curve["max"], styles[arm])
                drawn.append(curve.assign(quantity=key))
            axes.set_title(KL_TITLES.get(key, key))
            if "kl" in key:
                _logarithmic(axes, rows[key].dropna().to_numpy(dtype=float))
            short_numbers(axes.yaxis)
            step_axis(axes, STEPS + shortened(title, room(figure, len(panels)) - len(STEPS)))
        logging = [arm for arm in labels if any(rows.loc[rows["arm"] == arm, shown].notna().any())]
        legend(figure, styles, {arm: labels[arm] for arm in logging})
    data = pd.concat([frame for frame in drawn if len(frame)] or drawn, ignore_index=True)[drawn[0].columns]
    return Drawing(figure, f"KL and coefficients, {title}", data)


def _over_seeds(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """Mean, least and greatest of the seeds of each arm against steps.

    An evaluation writes the update before it earlier than the log would: it is drawn where the log would have it.
    """
    of_runs, of_arms = rows.groupby(["arm", "seed"])["timesteps"], rows.groupby("arm")["timesteps"]
    many = of_runs.nunique().groupby("arm").max() > POINTS
    stretches = of_runs.diff().groupby(rows["arm"]).median().mask(many, of_arms.max() / POINTS)
    stretch, steps = rows["arm"].map(stretches), rows["timesteps"]
    steps = steps.where(~(stretch > 0), np.ceil(steps / stretch) * stretch)
    medians = rows.assign(timesteps=steps).groupby(["arm", "timesteps", "seed"])[key].median()
    return medians.groupby(["arm", "timesteps"]).agg(["mean", "min", "max"]).reset_index()


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
    # An infinite divergence has no place on an axis.
    positive = values[(values > 0) & (values < LARGEST)]
    if len(positive) and positive.max() > 10 * positive.min():
        axes.set_yscale("log", nonpositive="clip")
        bottom, top = np.percentile(positive, 1) / 1.5, positive.max() * 1.5
        axes.set_ylim(bottom, top)
        # With few powers of ten in sight, some numbers between them are labelled too.
        decades = math.log10(top / bottom)
        steps = (1,) if decades > 3 else (1, 3) if decades > 1.5 else (1, 2, 5)
        axes.yaxis.set_major_locator(LogLocator(subs=steps))
        axes.yaxis.set_minor_locator(NullLocator())
