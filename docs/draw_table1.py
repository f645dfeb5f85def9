"""The figure of docs/table1.md: the paper's scores of the eleven settings and ours, from the published study."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from benchmarks.table1.scores import PAPER, settings
from benchmarks.table1.training import PUBLISHED, read
from sb3_ppo_variants.bench.report.figures.colours import BASELINE_COLOUR, PALETTE


def draw() -> Figure:
    """One row for each setting, the paper's best one above."""
    found = settings(read(PUBLISHED))
    order = sorted(PAPER, key=lambda arm: PAPER[arm])
    places = np.arange(len(order))
    values, lows, highs = np.array([found[arm] for arm in order]).T
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color="#8c8c8c", linewidth=0.8)
    axes.hlines(places, lows, highs, color=PALETTE[0], linewidth=3, alpha=0.45)
    axes.plot(values, places, "o", color=PALETTE[0], label="here, with the 95 % interval")
    axes.plot([PAPER[arm] for arm in order], places, "D", color=BASELINE_COLOUR, fillstyle="none", label="the paper")
    axes.set(xlabel="score: 0 a random policy, 1 the best setting of each task")
    axes.set_yticks(places, order)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper left", ncols=2, handletextpad=0.2)
    return figure
