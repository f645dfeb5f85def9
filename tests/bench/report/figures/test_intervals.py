from __future__ import annotations

import numpy as np
import pytest

from sb3_ppo_variants.bench.report.figures.intervals import intervals
from sb3_ppo_variants.bench.report.figures.style import ONE_COLUMN, SCREEN, Page, drawn_for
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.statistics.numbers import RESULTS, make_study


def test_each_number_has_a_panel() -> None:
    drawing = intervals(summarise(RESULTS, make_study()))
    titles = [axes.get_title(loc="left") for axes in drawing.figure.axes]
    assert titles == ["Interquartile mean", "Beats stock PPO"]
    assert drawing.title == "Aggregate score and probability of improvement"
    assert drawing.data[["arm", "quantity"]].to_numpy().tolist() == [
        ["ppo", "iqm"],
        ["mine", "iqm"],
        ["mine", "improvement"],
    ]


def test_a_single_arm_beats_nothing() -> None:
    drawing = intervals(summarise(RESULTS[RESULTS["arm"] == "ppo"], make_study(arms={})))
    (axes,) = drawing.figure.axes
    assert axes.get_title(loc="left") == "Interquartile mean"
    assert drawing.title == "Aggregate score"
    assert drawing.data["quantity"].tolist() == ["iqm"]


@pytest.mark.parametrize("page", [SCREEN, ONE_COLUMN], ids=["screen", "one"])
def test_long_names_leave_room_for_the_panels(page: Page) -> None:
    name = "trust_region_clip_with_an_adaptive_penalty_and_an_early_stop_at_twice_the_target_a"
    study = make_study(arms={name: {"algorithm": "stable_baselines3.PPO"}})
    with drawn_for(page):
        figure = intervals(summarise(RESULTS.replace({"mine": name}), study)).figure
    figure.draw_without_rendering()
    first, last = (label.get_text() for label in figure.axes[0].get_yticklabels())
    assert first == "ppo"
    assert last.startswith("trust_regio")
    assert last.endswith("target_a")
    assert np.sum([axes.get_position().width for axes in figure.axes]) > 1 / 3
