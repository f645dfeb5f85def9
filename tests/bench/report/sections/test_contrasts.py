from __future__ import annotations

import pandas as pd
import pytest

from sb3_ppo_variants.bench.report.document import Panel
from sb3_ppo_variants.bench.report.figures.heat_maps import grid_title
from sb3_ppo_variants.bench.report.sections.contrasts import INTERACTION, contrasts
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.statistics.numbers import make_study, rows

GRID = {"x": {"algorithm": "stable_baselines3.PPO", "grid": {"gamma": [0.9, 0.99], "n_epochs": [1, 2]}}}


@pytest.mark.parametrize(
    ("missing", "notes"),
    [
        ([], []),
        (
            [("ppo", "Range-v0")],
            [
                "The IQM is over Known-v0, which all arms of the study have; the interaction over Known-v0, Range-v0.",
            ],
        ),
    ],
)
def test_a_heat_map_of_different_environments_says_so(missing: list[tuple[str, str]], notes: list[str]) -> None:
    study = make_study(arms=GRID)
    results = [
        row
        for number, arm in enumerate(study.arms)
        for name in study.environments
        if (arm, name) not in missing
        for row in rows(arm, name, 0, [float(number)] * 3)
    ]
    summary = summarise(pd.DataFrame(results), study)
    *_, section = contrasts(summary, {"grid-x": Panel("grid-x", grid_title("x"), "<svg/>", "")})
    assert section.notes == [INTERACTION, *notes]
