"""Figures of normalised scores over all environments: performance profiles and sample efficiency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from sb3_ppo_variants.bench.plots import band
from sb3_ppo_variants.bench.stats import Band
from sb3_ppo_variants.bench.style import STYLE, Drawing, legend, line_styles, step_axis
from sb3_ppo_variants.bench.summary import Summary


def drawn(summary: Summary) -> dict[str, Drawing]:
    """Draw every figure for which the summary has numbers, by name.

    :param summary: the statistics
    """
    drawings: dict[str, tuple[Mapping[str, Band], Callable[[Summary], Drawing]]] = {
        "profiles": (summary.profiles, profiles),
        "efficiency": (summary.curves.steps, efficiency),
    }
    return {name: draw(summary) for name, (bands, draw) in drawings.items() if bands}


def profiles(summary: Summary) -> Drawing:
    """Share of the runs of each arm above each normalised score.

    :param summary: the statistics, with profiles
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.4), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
        axes = figure.subplots()
        _bands(axes, summary, summary.profiles)
        axes.set_ylim(-0.03, 1.03)
        axes.margins(x=0.01)
        axes.set_xlabel("normalised score $\\tau$")
        axes.set_ylabel("share of runs above $\\tau$")
        legend(figure, line_styles(summary.arms), summary.arms)
    return Drawing(figure, "Performance profiles", _data({"score": summary.profiles}))


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
            _bands(axes, summary, bands)
            step_axis(axes, label)
        panels[0].set_ylabel("interquartile mean of scores")
        legend(figure, line_styles(summary.arms), summary.arms)
    return Drawing(figure, "Sample efficiency", _data(shown))


def _data(shown: Mapping[str, Mapping[str, Band]]) -> pd.DataFrame:
    return pd.concat(
        [
            pd.DataFrame({"arm": arm, "against": label, **asdict(found)})
            for label, bands in shown.items()
            for arm, found in bands.items()
        ],
        ignore_index=True,
    )


def _bands(axes: Axes, summary: Summary, bands: Mapping[str, Band]) -> None:
    """Draw step functions, which is what all of these curves are."""
    styles = line_styles(summary.arms)
    for arm, found in bands.items():
        axes.plot(found.x, found.value, drawstyle="steps-post", **styles[arm])
        band(axes, found.x, found.low, found.high, styles[arm], step="post")
