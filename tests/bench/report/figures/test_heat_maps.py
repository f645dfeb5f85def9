from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from sb3_ppo_variants.bench.report.figures.heat_maps import heat_map
from sb3_ppo_variants.bench.report.figures.style import ONE_COLUMN, SCREEN, TWO_COLUMNS, Page, drawn_for
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.statistics.numbers import RESULTS, make_study, rows

RATES = [1e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 3e-3, 1e-2, 3e-2]
GRID = {"x": {"algorithm": "stable_baselines3.PPO", "grid": {"gamma": [0.9, 0.99], "n_epochs": [1, 2, 3]}}}


def test_every_arm_of_a_grid_has_a_cell_with_its_number() -> None:
    study = make_study(arms=GRID)
    results = RESULTS[RESULTS["arm"] == "ppo"]
    arms = [arm for arm in study.arms if arm != "ppo"]
    scores = dict(zip(arms, (10.0, 20.0, 30.0, 40.0, 50.0, 110.0), strict=True))
    more = [row for arm in arms for seed in (0, 1) for row in rows(arm, "Known-v0", seed, [scores[arm]] * 3)]
    more += [row for arm in arms for row in rows(arm, "Range-v0", 0, [1.0] * 3)]
    summary = summarise(pd.concat([results, pd.DataFrame(more)]), study)
    drawing = heat_map("x", summary.effects["x"], summary)
    first, second = drawing.figure.axes
    assert [text.get_text() for text in first.get_yticklabels()] == ["0.9", "0.99"]
    assert [text.get_text() for text in second.get_xticklabels()] == ["1", "2", "3"]
    assert first.get_ylim() == (2, 0)
    data = drawing.data.set_index(["quantity", "arm"])["value"]
    shown = {text.get_position(): text.get_text().split("\n")[0] for text in second.texts}
    assert shown[0.5, 0.5] == f"{data['interaction', 'x,gamma=0.9,n_epochs=1']:.2f}"
    assert shown[2.5, 1.5] == f"{data['interaction', 'x,gamma=0.99,n_epochs=3']:.2f}"


def test_a_cell_without_a_number_is_legible() -> None:
    study = make_study(arms={"x": {**GRID["x"], "grid": {"gamma": [0.9, 0.99], "n_epochs": [1, 2]}}})
    results = [
        row
        for score, arm in enumerate(list(study.arms)[:-1])
        for environment in study.environments
        for row in rows(arm, environment, 0, [float(score)] * 3)
    ]
    summary = summarise(pd.DataFrame(results), study)
    (*_, last) = heat_map("x", summary.effects["x"], summary).figure.axes[0].texts
    # Dark on the white of the page.
    assert (last.get_text(), last.get_color()) == ("n/a", "#1a1a1a")


@pytest.mark.parametrize("page", [SCREEN, ONE_COLUMN, TWO_COLUMNS], ids=["screen", "one", "two"])
@pytest.mark.parametrize(("columns", "lines"), [(2, (2, 3, 2)), (4, (2, 3, 3)), (6, (2, 3, 3)), (10, (2, 1, 3))])
def test_the_text_of_cells_is_inside_them_at_any_width(page: Page, columns: int, lines: tuple[int, ...]) -> None:
    arm = {"algorithm": "stable_baselines3.PPO"}
    study = make_study(arms={"x": {**arm, "grid": {"gamma": [0.9, 0.99], "learning_rate": RATES[:columns]}}})
    numbers = np.random.default_rng(0)
    results = pd.DataFrame(
        [
            row
            for name in study.arms
            for environment in study.environments
            for seed in (0, 1)
            for row in rows(name, environment, seed, list(numbers.normal(50, 30, 3)))
        ]
    )
    summary = summarise(results, study)
    with drawn_for(page):
        figure = heat_map("x", summary.effects["x"], summary).figure
    figure.draw_without_rendering()
    assert {len(text.get_text().splitlines()) for axes in figure.axes for text in axes.texts} == {
        lines[[SCREEN, ONE_COLUMN, TWO_COLUMNS].index(page)]
    }
    for axes in figure.axes:
        for text in axes.texts:
            left, top = (int(place) for place in text.get_position())
            box = axes.transData.inverted().transform(text.get_window_extent())
            assert left <= box[:, 0].min() < box[:, 0].max() <= left + 1
            assert top <= box[:, 1].min() < box[:, 1].max() <= top + 1
            assert float(text.get_fontsize()) >= 5
        names = [name.get_window_extent() for name in axes.get_xticklabels()]
        assert all(first.x1 < second.x0 for first, second in itertools.pairwise(names))
