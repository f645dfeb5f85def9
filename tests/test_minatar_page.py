"""What docs/minatar.md says in words of single games, by the published tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

RESULTS = Path(__file__).parents[1] / "benchmarks/published/minatar/results.csv"
PREFIX = "benchmarks.minatar_games:MinAtar/"


@pytest.fixture(scope="module")
def results() -> pd.DataFrame:
    return pd.read_csv(RESULTS)


def of_runs(results: pd.DataFrame, arm: str, game: str) -> pd.Series:
    rows = results[(results["arm"] == arm) & (results["environment"] == f"{PREFIX}{game}-v1")]
    found: pd.Series = rows.set_index(["seed", "timesteps"])["mean_return"].sort_index()
    return found


@pytest.mark.parametrize(("game", "alike"), [("Asterix", 5), ("Seaquest", 5), ("SpaceInvaders", 3)])
def test_runs_of_dual_clip_have_the_numbers_of_the_clip(results: pd.DataFrame, game: str, alike: int) -> None:
    equal = of_runs(results, "dual_clip", game) == of_runs(results, "clip", game)
    assert len(equal) == 50
    assert equal.groupby("seed").all().sum() == alike


@pytest.mark.parametrize("game", ["Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders"])
def test_layer_normalisation_ends_higher_on_four_games(results: pd.DataFrame, game: str) -> None:
    own, clip = (
        of_runs(results, arm, game).groupby("seed").tail(3).groupby("seed").mean() for arm in ("layer_norm", "clip")
    )
    assert (own.mean() > clip.mean()) == (game != "Asterix")
    assert (own.min() > clip.max()) == (game in ("Breakout", "Freeway", "SpaceInvaders"))
