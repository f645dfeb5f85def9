from __future__ import annotations

import pandas as pd

from sb3_ppo_variants.bench.report.figures.heat_maps import heat_map
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.statistics.numbers import RESULTS, make_study, rows

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
