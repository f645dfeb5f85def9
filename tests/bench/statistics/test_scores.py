from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from sb3_ppo_variants.bench.statistics.scores import (
    Scale,
    Shortfall,
    known_returns,
    run_score,
    scale,
    scores,
    shortfalls,
    split_runs,
)
from tests.bench.statistics.numbers import RESULTS, make_study, rows


def test_a_score_is_the_mean_of_the_last_evaluations() -> None:
    found = scores(split_runs(RESULTS.sample(frac=1.0, random_state=0)), make_study())
    assert {key: value.tolist() for key, value in found.items()} == {
        ("ppo", "Known-v0"): [20.0, 30.0],
        ("ppo", "Range-v0"): [2.0, 4.0],
        ("mine", "Known-v0"): [40.0, 60.0],
        ("mine", "Range-v0"): [3.0, 10.0],
    }


@pytest.mark.parametrize("returns", itertools.permutations([0.1, 0.2, 0.3]))
def test_the_order_of_the_evaluations_does_not_count(returns: tuple[float, ...]) -> None:
    """Some orders sum to 0.6 and some to 0.6000000000000001, which made a win of a tie."""
    assert run_score(pd.DataFrame({"mean_return": returns}), 3) == 0.2


def test_a_score_of_a_run_with_a_return_that_is_no_number_is_none() -> None:
    broken = RESULTS.copy()
    broken.loc[broken["timesteps"] == 300, "mean_return"] = float("nan")
    assert all(math.isnan(score) for sample in scores(split_runs(broken), make_study()).values() for score in sample)


def test_shortfalls_are_listed_by_hand() -> None:
    results = pd.DataFrame(
        [
            *rows("ppo", "Known-v0", 0, [1.0, 2.0]),
            *rows("ppo", "Known-v0", 1, [float("inf"), 2.0, 3.0]),
            *rows("mine", "Known-v0", 1, [1.0]),
            *rows("mine", "Range-v0", 0, [1.0, 2.0]),
            *rows("mine", "Range-v0", 1, [1.0, 2.0]),
        ]
    )
    assert shortfalls(
        split_runs(results), make_study(), ["Known-v0", "Range-v0"], {"ppo": (0, 1), "mine": range(2)}
    ) == [
        Shortfall("ppo", "Known-v0", missing=(), short=(), not_finite=(1,)),
        Shortfall("ppo", "Range-v0", missing=(0, 1), short=(), not_finite=()),
        Shortfall("mine", "Known-v0", missing=(0,), short=(1,), not_finite=()),
    ]
    # A score of fewer evaluations than it should have is the mean of those there are.
    assert scores(split_runs(results), make_study())["mine", "Known-v0"].tolist() == [1.0]


def test_another_metric_stands_in_the_place_of_the_return() -> None:
    nan = float("nan")
    results = pd.DataFrame(rows("ppo", "Known-v0", 0, [1.0, 2.0, 3.0])).assign(success=[nan, 0.25, 0.75])
    assert scores(split_runs(results, metric="success"), make_study()) == {("ppo", "Known-v0"): [0.5]}
    assert split_runs(results, metric="distance") == {}
    found = scale(make_study(), "Known-v0", [np.array([0.5])], "success")
    assert (found.low, found.high, found.from_study_range) == (0.0, 1.0, False)
    # The scores of the study file are returns.
    assert scale(make_study(), "Known-v0", [np.array([2.0, 3.0])], "distance").high == 3.0


def test_a_scale_leaves_out_what_is_no_number() -> None:
    study, nan = make_study(), float("nan")
    found = scale(study, "Range-v0", [np.array([nan, 2.0]), np.array([5.0, float("inf")])])
    assert (found.low, found.high, found.from_study_range) == (2.0, 5.0, True)
    assert math.isnan(scale(study, "Range-v0", [np.array([nan])]).low)
    assert math.isnan(scale(study, "Range-v0", [np.array([nan, 3.0])]).high)
    assert scale(study, "Range-v0", [np.array([3.0, 3.0])]).is_flat
    assert scale(study, "Known-v0", [np.array([nan])]).high == 110.0


def test_a_scale_of_known_scores() -> None:
    assert scale(make_study(), "Known-v0", [np.array([3.0, 5.0])]) == Scale(10.0, 110.0, from_study_range=False)


def test_the_largest_return_is_known() -> None:
    found = known_returns(pd.DataFrame({"mean_return": [1e154, -1e154, 1.1e154]}))["mean_return"]
    assert found.isna().tolist() == [False, False, True]


def test_results_are_records() -> None:
    with pytest.raises(AttributeError):
        Scale(0.0, 1.0, from_study_range=False).low = 1.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Shortfall("ppo", "Known-v0", (), (), ()).missing = (0,)  # type: ignore[misc]
