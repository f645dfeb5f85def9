"""The figure of docs/mujoco.md: what each part gains over its base, on each task and in the mean."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from benchmarks.screen import PUBLISHED, STUDY, gains, normalised
from sb3_ppo_variants.bench.report.figures.colours import BASELINE_COLOUR, PALETTE
from sb3_ppo_variants.bench.validation import read_study


def draw() -> Figure:
    """One row for each arm, the one that gains most above."""
    study = read_study(STUDY)
    found = normalised(study, PUBLISHED)
    gained = gains(found, study.baseline)
    order = sorted(gained, key=lambda arm: gained[arm].value)
    places = np.arange(len(order))
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color="#8c8c8c", linewidth=0.8)
    for position, name in enumerate(study.environments):
        base = np.mean(found[study.baseline][position])
        values = [np.mean(found[arm][position]) - base for arm in order]
        axes.plot(values, places, "o", color=PALETTE[position], markersize=5, alpha=0.7, label=name)
    lows, highs = np.array([[gained[arm].low, gained[arm].high] for arm in order]).T
    axes.hlines(places, lows, highs, color=BASELINE_COLOUR, linewidth=3, alpha=0.35)
    means = [gained[arm].value for arm in order]
    axes.plot(means, places, "D", color=BASELINE_COLOUR, markersize=6, label="mean, with the 95 % interval")
    axes.set(xlabel=f"normalised score minus that of {study.baseline}")
    axes.set_yticks(places, order)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper left", ncols=4, handletextpad=0.2)
    return figure
