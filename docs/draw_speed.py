"""The figure of docs/speed.md, drawn from the published measurement on one CPU."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import NullLocator

from benchmarks.measurements.publish import published
from benchmarks.measurements.settings import LEADING
from benchmarks.measurements.sides import SIDES
from sb3_ppo_variants.bench.report.figures.colours import BASELINE_COLOUR, PALETTE

OTHERS = ("sbx", "tianshou", "rlox", "single_file")
TICKS = (0.5, 1, 2, 5, 10)


def colour(side: str) -> str:
    """Grey for stock PPO and the limit, one colour for this package and one for other libraries.

    :param side: name of the implementation
    """
    if side.startswith(("stock", "limit")):
        return BASELINE_COLOUR
    return PALETTE[0] if side in OTHERS else PALETTE[1]


def draw_setting(axes: Axes, measured: dict[str, Any], sides: list[str]) -> None:
    """A point for each implementation, with a line from quartile to quartile.

    :param axes: to draw on
    :param measured: a setting
    :param sides: names of the implementations, from top to bottom
    """
    axes.axvline(1, color="#8c8c8c", linewidth=0.8)
    for row, side in enumerate(sides):
        if side in measured["sides"]:
            speed = measured["sides"][side]["speed"]["end_to_end"]
            axes.plot([speed["low"], speed["high"]], [row, row], color=colour(side), linewidth=1.7)
            axes.plot(speed["median"], row, color=colour(side), marker="o", markersize=5)
    axes.set(xscale="log", xlim=(0.3, 20), title=measured["setting"].partition(",")[0])
    axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.xaxis.set_minor_locator(NullLocator())


def draw() -> Figure:
    """The whole figure: a panel for each of the leading settings."""
    settings = [published("speed_one_cpu")["ratios"][name] for name in LEADING]
    sides = [side for side in SIDES if any(side in measured["sides"] for measured in settings)]
    figure = Figure(figsize=(9, 3.6), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
    panels = figure.subplots(1, len(settings), sharey=True)
    for axes, measured in zip(panels, settings, strict=True):
        draw_setting(axes, measured, sides)
    panels[0].set_yticks(range(len(sides)), [SIDES[side].title for side in sides])
    panels[0].invert_yaxis()
    figure.supxlabel("speed of whole training, stock PPO = 1", fontsize=9.5)
    return figure
