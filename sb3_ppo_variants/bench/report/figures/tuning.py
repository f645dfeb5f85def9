"""The trials of a tuning: the best so far, and how their scores are spread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sb3_ppo_variants.bench.report.figures.names import legend, titles
from sb3_ppo_variants.bench.report.figures.style import Drawing, grid, line_styles, page_style, short_numbers
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.tuning.numbers import SearchNumbers, finite_scores

# Draws the line of one search.
Draw = Callable[[Axes, SearchNumbers, dict[str, Any]], None]


def best_so_far(tuning: Sequence[SearchNumbers], summary: Summary) -> Drawing:
    """Greatest score of the trials so far, against the number of trials.

    :param tuning: the searches of all arms
    :param summary: the statistics of the study
    """
    figure = _panels(tuning, summary, _best_line, "trials", "best score so far")
    data = [
        pd.DataFrame({**_labels(each), "trial": range(1, len(each.best_so_far) + 1), "best_so_far": each.best_so_far})
        for each in tuning
    ]
    return Drawing(figure, "Best trial so far", pd.concat(data, ignore_index=True))


def trial_scores(tuning: Sequence[SearchNumbers], summary: Summary) -> Drawing:
    """Share of the trials with at least a score, against the score.

    :param tuning: the searches of all arms
    :param summary: the statistics of the study
    """
    figure = _panels(tuning, summary, _share_line, "score of a trial", "share of trials at least as good")
    data = [pd.DataFrame({**_labels(each), "score": np.sort(finite_scores(each.search))}) for each in tuning]
    return Drawing(figure, "Scores of all trials", pd.concat(data, ignore_index=True))


def _labels(each: SearchNumbers) -> dict[str, str]:
    return {"arm": each.search.arm, "environment": each.search.environment}


def _panels(tuning: Sequence[SearchNumbers], summary: Summary, draw: Draw, x: str, y: str) -> Figure:
    """Make a figure with one panel for each environment, in which each arm is a line."""
    styles = line_styles(summary.arms)
    tuned = {each.search.arm for each in tuning}
    labels = {arm: label for arm, label in summary.labels.items() if arm in tuned}
    with mpl.rc_context(page_style()):
        figure, panels = grid(len(summary.environments), height=2.7)
        for axes, environment in zip(panels, summary.environments, strict=True):
            for each in tuning:
                if each.search.environment == environment and each.search.arm in labels:
                    draw(axes, each, styles[each.search.arm])
            axes.set_xlabel(x)
            axes.margins(x=0.02)
        titles(figure, panels, summary.headings)
        panels[0].set_ylabel(y)
        legend(figure, styles, labels)
    return figure


def _best_line(axes: Axes, each: SearchNumbers, style: dict[str, Any]) -> None:
    trials = range(1, len(each.best_so_far) + 1)
    axes.plot(trials, each.best_so_far, drawstyle="steps-post", **style)
    short_numbers(axes.yaxis)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))


def _share_line(axes: Axes, each: SearchNumbers, style: dict[str, Any]) -> None:
    scores = np.sort(finite_scores(each.search))
    shares = np.arange(len(scores), 0, -1) / len(scores)
    axes.plot(scores, shares, drawstyle="steps-pre", **style)
    short_numbers(axes.xaxis)
    axes.set_ylim(-0.03, 1.03)
