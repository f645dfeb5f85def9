"""The table of results."""

from __future__ import annotations

import pandas as pd
import pytest

from sb3_ppo_variants.bench.report.sections.results import normalisation, results, results_table
from sb3_ppo_variants.bench.statistics.summary import summarise
from tests.bench.statistics.numbers import RESULTS, make_study

ARM = {"algorithm": "stable_baselines3.PPO"}
PARTLY = RESULTS[(RESULTS["arm"] != "mine") | (RESULTS["environment"] != "Range-v0")]


@pytest.mark.parametrize(
    ("others", "rows", "sentences"),
    [
        ({}, RESULTS, []),
        ({}, PARTLY, ["Only environments in which every arm has a finished run, and scores differ, count: Known-v0."]),
        ({"late": ARM}, RESULTS, ["Left out, without a score: late."]),
        (
            {"late": ARM, "later": ARM},
            PARTLY,
            [
                "Left out, without a score: late, later.",
                "Only environments in which every other arm has a finished run, and scores differ, count: Known-v0.",
            ],
        ),
    ],
    ids=["whole", "one environment lacks", "one arm lacks all", "both"],
)
def test_what_does_not_count_is_named(
    others: dict[str, dict[str, str]], rows: pd.DataFrame, sentences: list[str]
) -> None:
    study = make_study(arms={"mine": ARM, **others})
    (texts,) = (item.texts for item in results(study, summarise(rows, study)).definitions if item.term == "IQM")
    assert texts[1:] == sentences


def test_scores_that_are_not_known_have_no_scale() -> None:
    of_range = RESULTS["environment"] == "Range-v0"
    lost = RESULTS.assign(mean_return=RESULTS["mean_return"].where(~of_range, float("inf")))
    assert normalisation(summarise(lost, make_study())) == (
        "Known-v0 from 10 (0) to 110 (1), random and reference score of the study file; "
        "Range-v0 unknown, too few runs have a finite score"
    )


def test_an_environment_is_called_by_its_id_without_the_module() -> None:
    """The normalisation says which module it is of."""
    environments = {"my.tasks:Known-v0": {"random_score": 10, "reference_score": 110}, "Range-v0": {}}
    rows = RESULTS.replace({"environment": {"Known-v0": "my.tasks:Known-v0"}})
    summary = summarise(rows, make_study(environments=environments))
    assert results_table(summary).columns[1:3] == ["Known-v0", "Range-v0"]
    assert normalisation(summary).startswith("my.tasks:Known-v0 from 10 (0) to 110 (1)")
