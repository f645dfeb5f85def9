"""How the ratios move with the number of environments, the size of the minibatch and the width of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from benchmarks.measurements import ratios
from benchmarks.measurements.sides import SIDES

BASE = {"environments": 4, "minibatch": 256, "width": 64}
AXES = {"environments": (1, 4, 16), "minibatch": (64, 256, 1024), "width": (64, 256, 512)}
MEASURED = ("stock", "eager", "compiled")
SHOWN = ("update", "end_to_end")


def points(quick: bool) -> list[dict[str, int]]:
    """The points of all axes; the base is on each, and once in the list.

    :param quick: the base alone
    """
    found = [BASE]
    if not quick:
        found += [BASE | {axis: value} for axis, values in AXES.items() for value in values if value != BASE[axis]]
    return found


def measure(repetitions: int, quick: bool) -> list[dict[str, Any]]:
    """One row per point.

    :param repetitions: how often each implementation takes its turn
    :param quick: the base alone
    """
    rows = []
    for point in points(quick):
        print(f"  {point}", flush=True)
        name = ",".join(str(value) for value in point.values())
        rows.append(point | ratios.measure(name, MEASURED, {}, repetitions, SHOWN))
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """One panel per axis, the median over repetitions with quartiles.

    :param rows: of :func:`measure`
    :param path: of the SVG
    """
    matplotlib.rcParams["svg.hashsalt"] = "speed"
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    panels = figure.subplots(1, len(AXES), sharey=True)
    for panel, axis in zip(panels, AXES, strict=True):
        others = [other for other in BASE if other != axis]
        shown = sorted((row for row in rows if all(row[o] == BASE[o] for o in others)), key=lambda row: row[axis])
        for side, colour in (("eager", "#0072b2"), ("compiled", "#d55e00")):
            for phase, line in (("update", "--"), ("end_to_end", "-")):
                speeds = [row["sides"][side]["speed"][phase] for row in shown]
                middle = [speed["median"] for speed in speeds]
                spread = [
                    [speed["median"] - speed["low"] for speed in speeds],
                    [speed["high"] - speed["median"] for speed in speeds],
                ]
                label = f"{SIDES[side].title}, {phase.replace('_', ' ')}"
                panel.errorbar([row[axis] for row in shown], middle, spread, color=colour, ls=line, label=label)
        panel.axhline(1, color="#4d4d4d", lw=0.8)
        panel.set_xscale("log", base=2)
        panel.set_xticks(AXES[axis], [str(value) for value in AXES[axis]])
        panel.set_xlabel(axis)
    panels[0].set_ylabel("speed, stock PPO = 1")
    panels[-1].legend(fontsize=7, frameon=False)
    figure.savefig(path, metadata={"Date": None})
