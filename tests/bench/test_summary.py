from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from sb3_ppo_variants.bench.study import Study
from sb3_ppo_variants.bench.summary import scores, summarise, update_sizes


def make_study(**overrides: Any) -> Study:
    return Study.model_validate(
        {
            "name": "numbers",
            "total_timesteps": 300,
            "seeds": 2,
            "evaluation": {"every": 100, "last": 2},
            "environments": {"Known-v0": {"random_score": 10.0, "reference_score": 110.0}, "Range-v0": {}},
            "arms": {"mine": {"algorithm": "stable_baselines3.PPO"}},
            **overrides,
        }
    )


def rows(arm: str, environment: str, seed: int, returns: list[float]) -> list[dict[str, Any]]:
    return [
        {"arm": arm, "environment": environment, "seed": seed, "timesteps": 100 * (i + 1), "mean_return": value}
        for i, value in enumerate(returns)
    ]


RESULTS = pd.DataFrame(
    [
        # Last two evaluations: 20, 30; 40, 60; 2, 4; 6, 10.
        *rows("ppo", "Known-v0", 0, [999.0, 10.0, 30.0]),
        *rows("ppo", "Known-v0", 1, [999.0, 20.0, 40.0]),
        *rows("mine", "Known-v0", 0, [999.0, 30.0, 50.0]),
        *rows("mine", "Known-v0", 1, [999.0, 50.0, 70.0]),
        *rows("ppo", "Range-v0", 0, [999.0, 1.0, 3.0]),
        *rows("ppo", "Range-v0", 1, [999.0, 4.0, 4.0]),
        *rows("mine", "Range-v0", 0, [999.0, 3.0, 3.0]),
        *rows("mine", "Range-v0", 1, [999.0, 8.0, 12.0]),
    ]
)


def test_a_score_is_the_mean_of_the_last_evaluations() -> None:
    found = scores(RESULTS.sample(frac=1.0, random_state=0), make_study())
    assert {key: value.tolist() for key, value in found.items()} == {
        ("ppo", "Known-v0"): [20.0, 30.0],
        ("ppo", "Range-v0"): [2.0, 4.0],
        ("mine", "Known-v0"): [40.0, 60.0],
        ("mine", "Range-v0"): [3.0, 10.0],
    }


def test_summary_by_hand() -> None:
    summary = summarise(RESULTS, make_study())
    assert summary.returns["mine", "Known-v0"].value == 50.0
    assert (summary.scales["Known-v0"].low, summary.scales["Known-v0"].high) == (10.0, 110.0)
    assert (summary.scales["Range-v0"].low, summary.scales["Range-v0"].high) == (2.0, 10.0)
    assert [summary.scales[name].from_study_range for name in ("Known-v0", "Range-v0")] == [False, True]
    # Normalised: ppo 0.1, 0.2 and 0, 0.25; mine 0.3, 0.5 and 0.125, 1. One run goes from each end.
    assert summary.aggregate["ppo"].value == pytest.approx((0.1 + 0.2) / 2)
    assert summary.aggregate["mine"].value == pytest.approx((0.3 + 0.5) / 2)
    # Known: all four pairs won. Range: 3 beats 2, 10 beats both: three of four.
    assert summary.improvement["mine"].value == pytest.approx((1.0 + 0.75) / 2)
    assert summary.excluded == {"mine": []}
    assert summary.common == ["Known-v0", "Range-v0"]


def test_an_environment_without_an_arm_is_excluded_and_listed() -> None:
    lacking = RESULTS[(RESULTS["arm"] != "mine") | (RESULTS["environment"] != "Range-v0")]
    summary = summarise(lacking, make_study())
    assert ("mine", "Range-v0") not in summary.returns
    assert summary.common == ["Known-v0"]
    assert summary.aggregate["ppo"].value == pytest.approx(0.15)
    assert summary.improvement["mine"].value == 1.0
    assert summary.excluded == {"mine": ["Range-v0"]}


def test_intervals_follow_the_seed_of_the_study() -> None:
    first = summarise(RESULTS, make_study(bootstrap={"seed": 1, "resamples": 100}))
    assert first == summarise(RESULTS, make_study(bootstrap={"seed": 1, "resamples": 100}))


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
