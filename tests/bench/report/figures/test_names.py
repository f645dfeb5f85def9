from __future__ import annotations

import io
import itertools

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sb3_ppo_variants.bench.report.figures.learning_curves import learning_curves
from sb3_ppo_variants.bench.report.figures.names import legend, shortened
from sb3_ppo_variants.bench.report.figures.style import ONE_COLUMN, SCREEN, TWO_COLUMNS, Page, drawn_for, line_styles
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.statistics.numbers import make_study, rows

LONG = "trust_region_clip_with_an_adaptive_penalty_and_an_early_stop_at_twice_"


def test_the_ends_of_a_long_name_stay() -> None:
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghij", 7) == "abc…hij"
    assert shortened("abcdefghij", 6) == "abc…ij"
    assert shortened("of $c_1 = 1$", 7) == "of $c_1 = 1$"


@pytest.mark.parametrize("page", [SCREEN, ONE_COLUMN, TWO_COLUMNS], ids=["screen", "one", "two"])
def test_long_names_of_environments_do_not_overlap(page: Page) -> None:
    names = [f"MyCompany/RobotArmPickAndPlace{kind}Dense-v0" for kind in ("Cluttered", "Sorted", "Random")]
    study = make_study(environments={name: {} for name in names})
    results = [row for arm in study.arms for name in names for row in rows(arm, name, 0, [1.0, 2.0, 3.0])]
    with drawn_for(page):
        figure = learning_curves(pd.DataFrame(results), summarise(pd.DataFrame(results), study)).figure
    figure.draw_without_rendering()
    titles = [axes._left_title.get_window_extent() for axes in figure.axes]  # type: ignore[attr-defined]
    assert all(axes.get_title(loc="left").startswith("MyCompany/") for axes in figure.axes)
    assert all(title.x1 <= figure.bbox.x1 for title in titles)
    rows_of = [pair for pair in itertools.pairwise(titles) if pair[0].y0 == pair[1].y0]
    assert len(rows_of) == (0 if page == ONE_COLUMN else 2)
    assert all(left.x1 < right.x0 for left, right in rows_of)


@pytest.mark.parametrize(
    "arms",
    [
        ["ppo", "limits", "limits-without-clip", "limits-without-kl_penalty", "limits-base"],
        ["ppo", f"{LONG}a", f"{LONG}b"],
    ],
)
def test_a_legend_stays_within_its_figure(arms: list[str]) -> None:
    """Five names in four columns are two and then one in each, not two in each; longer ones than a line are cut."""
    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    figure.subplots()
    legend(figure, line_styles(arms), {arm: arm for arm in arms})
    FigureCanvasAgg(figure)
    figure.savefig(io.BytesIO())
    (drawn,) = figure.legends
    assert drawn.get_window_extent().x1 <= figure.bbox.x1
