"""The comparisons of arms."""

from __future__ import annotations

import pandas as pd
import pytest

from sb3_ppo_variants.bench.report.sections.comparisons import comparisons, every_pair
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.statistics.numbers import RESULTS, make_study, rows

ARM = {"algorithm": "stable_baselines3.PPO"}


def test_pairs_without_a_score_are_not_counted() -> None:
    """Of the six pairs of four arms three have the one that has no run."""
    results = pd.concat([RESULTS, RESULTS[RESULTS["arm"] == "mine"].assign(arm="other")])
    section = every_pair(summarise(results, make_study(arms={"mine": ARM, "other": ARM, "late": ARM})))
    assert "Holm's correction for all 3 pairs," in section.notes[0]
    assert section.table is not None
    assert [cell.text for cell in section.table.rows[3]] == ["late", "n/a", "n/a", "n/a", ""]


@pytest.mark.parametrize(("seeds", "arms"), [(53, []), (54, ["mine"])])
def test_a_p_that_is_not_exact_is_said(seeds: int, arms: list[str]) -> None:
    made = [row for arm in ("ppo", "mine") for seed in range(seeds) for row in rows(arm, "Known-v0", seed, [1.0, seed])]
    section = comparisons(summarise(pd.DataFrame(made), make_study(seeds=seeds, environments={"Known-v0": {}})))
    (definition,) = [found for found in section.definitions if found.term == "p"]
    assert definition.texts[1:] == [f"Of so many runs it is that of a normal distribution, for {arm}." for arm in arms]
