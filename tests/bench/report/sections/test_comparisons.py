"""The comparisons of arms."""

from __future__ import annotations

import pandas as pd

from sb3_ppo_variants.bench.report.sections.comparisons import every_pair
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.statistics.numbers import RESULTS, make_study

ARM = {"algorithm": "stable_baselines3.PPO"}


def test_pairs_without_a_score_are_not_counted() -> None:
    """Of the six pairs of four arms three have the one that has no run."""
    results = pd.concat([RESULTS, RESULTS[RESULTS["arm"] == "mine"].assign(arm="other")])
    section = every_pair(summarise(results, make_study(arms={"mine": ARM, "other": ARM, "late": ARM})))
    assert "Holm's correction for all 3 pairs," in section.notes[0]
    assert section.table is not None
    assert [cell.text for cell in section.table.rows[3]] == ["late", "n/a", "n/a", "n/a", ""]
