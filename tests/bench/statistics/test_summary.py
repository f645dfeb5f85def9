from __future__ import annotations

import math

import pandas as pd
import pytest

from sb3_ppo_variants.bench.report.sections.comparisons import comparisons
from sb3_ppo_variants.bench.report.sections.results import normalisation
from sb3_ppo_variants.bench.statistics.scores import Shortfall
from sb3_ppo_variants.bench.statistics.summary import summarise, update_sizes
from tests.bench.statistics.numbers import RESULTS, make_study, rows


def test_summary_by_hand() -> None:
    summary = summarise(RESULTS, make_study())
    assert summary.returns["mine", "Known-v0"].value == 50.0
    assert (summary.scales["Known-v0"].low, summary.scales["Known-v0"].high) == (10.0, 110.0)
    assert (summary.scales["Range-v0"].low, summary.scales["Range-v0"].high) == (2.0, 10.0)
    assert [summary.scales[name].from_study_range for name in ("Known-v0", "Range-v0")] == [False, True]
    # Normalised: ppo 0.1, 0.2 and 0, 0.25; mine 0.3, 0.5 and 0.125, 1. One run goes from each end.
    assert summary.aggregates["ppo"].iqm.value == pytest.approx((0.1 + 0.2) / 2)
    assert summary.aggregates["mine"].iqm.value == pytest.approx((0.3 + 0.5) / 2)
    # Known: all four pairs won. Range: 3 beats 2, 10 beats both: three of four.
    assert summary.comparisons["mine"].improvement.value == pytest.approx((1.0 + 0.75) / 2)
    assert summary.comparisons["mine"].excluded == []
    assert summary.common == ["Known-v0", "Range-v0"]
    assert summary.shortfalls == []


def test_other_aggregates_and_profiles_by_hand() -> None:
    summary = summarise(RESULTS, make_study())
    # Means of the environments: mine 0.4 and 0.5625, ppo 0.15 and 0.125. Above 0: all of mine, three of ppo's four.
    assert summary.aggregates["mine"].median.value == pytest.approx((0.4 + 0.5625) / 2)
    assert summary.aggregates["ppo"].mean.value == pytest.approx((0.15 + 0.125) / 2)
    assert summary.aggregates["mine"].optimality_gap.value == pytest.approx(1 - (0.4 + 0.5625) / 2)
    assert (summary.profiles["mine"].x[0], summary.profiles["mine"].x[-1]) == (0.0, 1.0)
    assert (summary.profiles["mine"].value[0], summary.profiles["ppo"].value[0]) == (1.0, 0.75)
    assert summary.profiles["mine"].value[-1] == 0.0


def test_comparison_detectable_and_stability_are_of_the_right_scores() -> None:
    summary = summarise(RESULTS, make_study())
    assert list(summary.comparisons) == ["mine"]
    # Two against two have 6 relabellings.
    assert summary.comparisons["mine"].least_p_value == pytest.approx((2 / 6) ** 2 / 2)
    assert summary.comparisons["mine"].p_value == summary.comparisons["mine"].adjusted_p_value
    # Two against two on two environments have no p-value of 5 %: 2 in 36.
    assert summary.detectable["mine"].everywhere == math.inf
    assert summary.detectable["mine"].alone == {"Known-v0": math.inf, "Range-v0": math.inf}
    assert list(summary.stability.found) == [("ppo", "Known-v0"), ("mine", "Known-v0")]
    assert list(summary.stability.left_out) == ["Range-v0"]


def test_another_arm_can_be_the_baseline() -> None:
    arms = {"mine": {"algorithm": "stable_baselines3.PPO"}, "ppo": {"algorithm": "stable_baselines3.PPO"}}
    summary = summarise(RESULTS, make_study(arms=arms, baseline="mine"))
    assert summary.arms == ["mine", "ppo"]
    assert list(summary.comparisons) == list(summary.detectable) == ["ppo"]
    # Of the eight pairs mine wins seven: on Known-v0 20 < 40 < 60 with 30 < 40, on Range-v0 3 < 4 is lost.
    assert summary.comparisons["ppo"].improvement.value == pytest.approx(1 / 8)
    assert (summary.baseline, summary.beats) == ("mine", "P(beats mine)")
    section = comparisons(summary)
    assert section.title == "Against mine"
    assert section.table is not None
    assert section.table.columns[1] == "P(beats mine)"


def test_curves_are_of_normalised_returns() -> None:
    summary = summarise(RESULTS, make_study())
    curve = summary.curves.steps["ppo"]
    assert curve.x == (100.0, 200.0, 300.0)
    # After 200 steps: 10 and 20 are 0 and 0.1, 1 and 4 are -1/8 and 1/4; one goes from each end.
    assert curve.value[1] == pytest.approx((0.0 + 0.1) / 2)
    assert (summary.curves.seconds, summary.curves.untimed) == ({}, ["ppo", "mine"])
    times = RESULTS[["arm", "environment", "seed", "timesteps"]].assign(seconds=RESULTS["timesteps"] / 50)
    timed = summarise(RESULTS, make_study(), times).curves
    assert timed.seconds["ppo"].x == (2.0, 4.0, 6.0)
    assert timed.seconds["ppo"].value == timed.steps["ppo"].value == curve.value


def test_designs_are_contrasted_in_normalised_scores() -> None:
    grid = {"algorithm": "stable_baselines3.PPO", "grid": {"clip_range": [0.1, 0.2]}}
    parts = {"algorithm": "stable_baselines3.PPO", "ablate": {"parts": {"clip": {"clip_range": 0.1}}}}
    study = make_study(arms={"mine": parts, "grid": grid})
    named = {"ppo": ["mine-without-clip", "grid,clip_range=0.1"], "mine": ["mine", "grid,clip_range=0.2"]}
    rows = [RESULTS[RESULTS["arm"] == old].assign(arm=new) for old, names in named.items() for new in names]
    summary = summarise(pd.concat([RESULTS[RESULTS["arm"] == "ppo"], *rows]), study)
    assert summary.ablations["mine"].without["clip"].difference.value == pytest.approx(0.4 - 0.15)
    effects = summary.effects["grid"].axes["clip_range"]
    assert [item.difference.value for item in effects] == pytest.approx([-0.125, 0.125])
    plain = summarise(RESULTS, make_study())
    assert (plain.ablations, plain.effects) == ({}, {})


def test_a_task_that_every_run_solves_is_not_normalised() -> None:
    """It counted as 0 for every arm, as if none had learned it."""
    solved = RESULTS.assign(mean_return=RESULTS["mean_return"].where(RESULTS["environment"] == "Known-v0", 500.0))
    summary = summarise(solved, make_study())
    assert summary.common == ["Known-v0"]
    assert summary.aggregates["mine"].iqm.value == pytest.approx((0.3 + 0.5) / 2)
    assert summary.returns["mine", "Range-v0"] == (500.0, 500.0, 500.0)
    # Ties everywhere there: one half.
    assert summary.comparisons["mine"].improvement.value == pytest.approx((1.0 + 0.5) / 2)
    assert normalisation(summary).endswith("; Range-v0 not normalised, every run scores 500.0")
    alone = summarise(solved, make_study(environments={"Range-v0": {}}))
    assert (alone.common, alone.profiles) == ([], {})
    assert math.isnan(alone.aggregates["mine"].optimality_gap.value)


def test_an_environment_without_an_arm_is_excluded_and_listed() -> None:
    lacking = RESULTS[(RESULTS["arm"] != "mine") | (RESULTS["environment"] != "Range-v0")]
    summary = summarise(lacking, make_study())
    assert ("mine", "Range-v0") not in summary.returns
    assert summary.shortfalls == [Shortfall("mine", "Range-v0", missing=(0, 1), short=(), not_finite=())]
    assert summary.common == ["Known-v0"]
    assert summary.aggregates["ppo"].iqm.value == pytest.approx(0.15)
    assert summary.comparisons["mine"].improvement.value == 1.0
    assert summary.comparisons["mine"].excluded == ["Range-v0"]


def test_an_arm_without_any_finished_run_does_not_count() -> None:
    """All of its runs failed, or are not made yet: the others have the numbers that they have without it."""
    arm = {"algorithm": "stable_baselines3.PPO"}
    summary = summarise(RESULTS, make_study(arms={"mine": arm, "late": arm}))
    assert summary.unscored == ["late"]
    assert summary.common == ["Known-v0", "Range-v0"]
    # As above: the mean of the middle two of 0.125, 0.3, 0.5 and 1.
    assert summary.aggregates["mine"].iqm.value == pytest.approx((0.3 + 0.5) / 2)
    assert all(math.isnan(found.value) for found in vars(summary.aggregates["late"]).values())
    assert list(summary.profiles) == list(summary.curves.steps) == ["ppo", "mine"]
    # Two seeds show no difference.
    assert summary.unbeaten == ["ppo", "mine"]
    lacking = RESULTS[(RESULTS["arm"] != "mine") | (RESULTS["environment"] != "Range-v0")]
    assert summarise(lacking, make_study(arms={"mine": arm, "late": arm})).common == ["Known-v0"]


def test_an_arm_without_a_known_return_is_not_unbeaten() -> None:
    unknown = RESULTS.assign(mean_return=RESULTS["mean_return"].where(RESULTS["arm"] == "ppo"))
    assert summarise(unknown, make_study()).unbeaten == ["ppo"]


def test_intervals_follow_the_seed_of_the_study() -> None:
    more = [pd.DataFrame(rows("ppo", "Known-v0", seed, [999.0, 7.0 * seed, 5.0 * seed])) for seed in range(2, 9)]
    results = pd.concat([RESULTS, *more])
    first, again, other = (
        summarise(results, make_study(bootstrap={"seed": seed, "resamples": 100})).aggregates["ppo"]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first.iqm != other.iqm


def test_unequal_numbers_of_seeds_are_used_and_listed() -> None:
    summary = summarise(RESULTS[(RESULTS["arm"] != "mine") | (RESULTS["seed"] == 1)], make_study())
    assert summary.counts["mine", "Known-v0"] == 1
    assert [(lack.environment, lack.missing) for lack in summary.shortfalls] == [("Known-v0", (0,)), ("Range-v0", (0,))]
    # The only runs left: 0.5 and 10, which is the greatest of the study still.
    assert summary.aggregates["mine"].mean.value == pytest.approx((0.5 + 1.0) / 2)
    assert math.isnan(summary.aggregates["mine"].mean.low)


def test_a_return_that_is_no_number_is_listed_and_leaves_no_number() -> None:
    broken = RESULTS.copy()
    broken.loc[(broken["arm"] == "mine") & (broken["seed"] == 0) & (broken["timesteps"] == 300), "mean_return"] = (
        math.nan
    )
    summary = summarise(broken, make_study())
    assert [lack.not_finite for lack in summary.shortfalls] == [(0,), (0,)]
    assert math.isnan(summary.returns["mine", "Known-v0"].value)
    assert math.isnan(summary.aggregates["mine"].iqm.value)
    assert math.isnan(summary.comparisons["mine"].p_value)
    assert not math.isnan(summary.aggregates["ppo"].iqm.value)
    assert (summary.scales["Range-v0"].low, summary.scales["Range-v0"].high) == (2.0, 10.0)


@pytest.mark.parametrize("kept", ["one arm", "one run", "nothing"])
def test_little_is_enough(kept: str) -> None:
    ours = RESULTS["arm"] == "ppo"
    rows = {"one arm": ours, "one run": ours & (RESULTS["seed"] == 0), "nothing": ours & (RESULTS["seed"] == 9)}[kept]
    summary = summarise(RESULTS[rows], make_study(arms={}))
    assert summary.comparisons == {}
    assert summary.detectable == {}
    assert math.isnan(summary.aggregates["ppo"].iqm.value) == (kept == "nothing")
    assert bool(summary.curves.steps) == bool(summary.profiles) == (kept != "nothing")


def test_size_of_updates_by_hand() -> None:
    # Eleven updates over two seeds, 0.00 to 0.10: the median is 0.05, the quantiles 0.01 and 0.09.
    logged = pd.DataFrame(
        {
            "arm": ["mine"] * 11 + ["ppo"],
            "environment": ["Known-v0"] * 12,
            "seed": [0] * 6 + [1] * 6,
            "kl": [i / 100 for i in range(11)] + [float("nan")],
        }
    )
    assert update_sizes(logged) == {("mine", "Known-v0"): pytest.approx((0.05, 0.01, 0.09))}
    assert update_sizes(logged.drop(columns="kl")) == {}


def test_finished_seeds_in_words() -> None:
    summary = summarise(RESULTS[(RESULTS["arm"] != "mine") | (RESULTS["environment"] != "Range-v0")], make_study())
    assert (summary.finished("ppo"), summary.seeds("ppo")) == ([2, 2], "2")
    assert (summary.finished("mine"), summary.seeds("mine")) == ([2, 0], "0 to 2")
    alone = RESULTS[RESULTS["environment"] == "Known-v0"]
    assert summarise(alone, make_study(environments={"Known-v0": {}})).seeds("mine") == "2"
    with pytest.raises(AttributeError):
        summary.arms = []  # type: ignore[misc]
