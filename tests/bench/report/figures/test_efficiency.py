from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sb3_ppo_variants.bench.report.figures.efficiency import efficiency
from sb3_ppo_variants.bench.report.figures.profiles import profiles
from sb3_ppo_variants.bench.statistics.efficiency import EfficiencyCurves
from sb3_ppo_variants.bench.statistics.intervals import Band
from sb3_ppo_variants.bench.statistics.summary import Summary, summarise
from tests.bench.statistics.numbers import RESULTS, make_study

OTHERS = {f"arm{number}": {"algorithm": "stable_baselines3.PPO"} for number in range(8)}


def with_curves(arms: int, end: float) -> Summary:
    study = make_study(arms=dict(list(OTHERS.items())[: arms - 1]))
    summary = summarise(RESULTS[RESULTS["arm"] == "ppo"], study)
    bands = {arm: Band((1.0, 2.0), (0.1, end), (0.0, end), (0.2, end)) for arm in summary.arms}
    return replace(summary, curves=EfficiencyCurves(bands, {}, summary.arms), profiles=bands)


@pytest.mark.parametrize(("end", "scale"), [(0.79, "linear"), (0.8, "function")])
def test_the_axis_is_stretched_where_curves_end_near_the_reference(end: float, scale: str) -> None:
    (axes,) = efficiency(with_curves(3, end)).figure.axes
    assert axes.get_yscale() == scale
    # A curve and the dot at its end for each arm.
    assert [len(np.atleast_1d(line.get_xdata())) for line in axes.lines] == [2, 2, 2, 1, 1, 1]


def test_a_dot_is_the_score_of_the_table() -> None:
    """Scores 20 and 30 of 10 to 110, and the least and the greatest of the other task: 0.1, 0.2, 0 and 1."""
    (axes,) = efficiency(with_curves(1, 0.5)).figure.axes
    curve, dot = axes.lines
    assert np.asarray(curve.get_ydata()).tolist() == [0.1, 0.5]
    assert np.asarray(dot.get_xdata()).tolist() == [2.0]
    assert np.asarray(dot.get_ydata()).tolist() == [pytest.approx((0.1 + 0.2) / 2)]


@pytest.mark.parametrize("draw", [efficiency, profiles])
def test_each_of_many_arms_has_a_panel(draw: type) -> None:
    assert len(draw(with_curves(8, 0.9)).figure.axes) == 1
    panels = draw(with_curves(9, 0.9)).figure.axes
    assert [axes.get_title(loc="left") for axes in panels] == list(OTHERS)
