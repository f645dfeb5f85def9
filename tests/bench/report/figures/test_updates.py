"""The curves of updates."""

from __future__ import annotations

import pandas as pd

from sb3_ppo_variants.bench.report.figures.updates import updates


def drawn(table: pd.DataFrame) -> pd.DataFrame:
    return updates(table.assign(arm="mine"), "Known-v0", ["mine"], {"mine": "mine"}, []).data


def test_few_updates_are_drawn_as_they_are() -> None:
    table = pd.DataFrame({"seed": [0, 0, 1, 1], "timesteps": [8, 16, 8, 16], "kl": [1.0, 2.0, 3.0, 6.0]})
    assert drawn(table)[["timesteps", "mean", "min", "max"]].to_numpy().tolist() == [[8, 2, 1, 3], [16, 4, 2, 6]]


def test_many_updates_are_drawn_by_medians() -> None:
    """Of 300 updates three make a point: their median, then the mean of the seeds."""
    steps = list(range(8, 2408, 8))
    runs = [pd.DataFrame({"seed": seed, "timesteps": steps, "kl": [1.0, 100.0, 3.0 + seed] * 100}) for seed in (0, 1)]
    data = drawn(pd.concat(runs, ignore_index=True))
    assert len(data) == 100
    assert data[["mean", "min", "max"]].drop_duplicates().to_numpy().tolist() == [[3.5, 3.0, 4.0]]
    assert data["timesteps"].iloc[[0, -1]].tolist() == [24, 2400]


def test_an_update_that_an_evaluation_wrote_is_drawn_where_the_log_would_have_it() -> None:
    """Rollouts of 8 steps, and evaluations at 20 and 40."""
    steps = [16, 20, 32, 40, 48, 56, 64]
    table = pd.DataFrame({"seed": 0, "timesteps": steps, "kl": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]})
    data = drawn(table)
    assert data["timesteps"].tolist() == [16, 24, 32, 40, 48, 56, 64]
    assert data["mean"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


def test_a_single_update_is_drawn() -> None:
    assert drawn(pd.DataFrame({"seed": [0], "timesteps": [8], "kl": [1.0]}))["timesteps"].tolist() == [8]
