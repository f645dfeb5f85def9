from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sb3_ppo_variants.bench.statistics.falls import RunEvaluations
from sb3_ppo_variants.bench.statistics.scores import Scale, split_runs
from sb3_ppo_variants.bench.statistics.stability import _noise, stability_table

KNOWN = Scale(0.0, 100.0, from_study_range=False)


def rows(seed: int, means: list[float], **columns: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "arm": "ppo",
            "environment": "A",
            "seed": seed,
            "timesteps": [100 * (i + 1) for i in range(len(means))],
            "mean_return": means,
            "std_return": 0.0,
            "episodes": 10,
            **columns,
        }
    )


RESULTS = pd.concat(
    [
        rows(0, [60.0, 60.0, 60.0, 20.0, 20.0, 58.0, 20.0, 20.0]),
        rows(1, [60.0, 60.0, 60.0, 20.0, 20.0, 60.0, 60.0, 60.0]),
        rows(2, [60.0] * 8),
        rows(3, [10.0] * 8),
    ]
)


def test_stability_of_an_arm_by_hand() -> None:
    table = stability_table(
        split_runs(RESULTS.sample(frac=1.0, random_state=0)), ["ppo", "absent"], {"A": KNOWN}, seed=0
    )
    assert list(table.found) == [("ppo", "A")]
    found = table.found["ppo", "A"]
    assert (found.runs, found.climbed.value) == (4, 0.75)
    assert found.fell.value == pytest.approx(2 / 3)
    assert (found.falls, found.recoveries, found.falls_per_run) == (3, 2, 1.0)
    # 200 and 200 steps to recovery, and one fall that went on for 100 at least.
    assert found.median_recovery == 200.0
    assert found.false_fall_rate == 0.0
    assert found.climbed.low < 0.75 < found.climbed.high


def test_an_arm_that_never_climbed_has_no_falls_to_speak_of() -> None:
    found = stability_table(split_runs(RESULTS[RESULTS["seed"] == 3]), ["ppo"], {"A": KNOWN}, seed=0).found["ppo", "A"]
    assert found.climbed.value == 0.0
    assert all(math.isnan(value) for value in (found.fell.value, found.falls_per_run, found.median_recovery))
    assert math.isnan(found.false_fall_rate)


def test_noise_of_the_evaluations_makes_false_falls() -> None:
    # The error of an evaluation is 75 / sqrt(9) = 25, half of the best; then a fifth of that.
    noisy = rows(0, [50.0] * 100, std_return=75.0)
    quiet = rows(0, [50.0] * 100, std_return=15.0)
    assert stability_table(split_runs(noisy), ["ppo"], {"A": KNOWN}, seed=0).found["ppo", "A"].false_fall_rate > 0.0
    assert stability_table(split_runs(quiet), ["ppo"], {"A": KNOWN}, seed=0).found["ppo", "A"].false_fall_rate == 0.0


def test_rows_that_are_carried_forward_are_no_evaluations() -> None:
    carried = RESULTS.assign(episodes=RESULTS["timesteps"].map(lambda steps: 10 if steps <= 500 else 0))
    ended = stability_table(split_runs(carried), ["ppo"], {"A": KNOWN}, seed=0)
    cut = stability_table(split_runs(RESULTS[RESULTS["timesteps"] <= 500]), ["ppo"], {"A": KNOWN}, seed=0)
    assert ended.left_out == {}
    assert repr(ended) == repr(cut)
    # Both runs that fell had not recovered by then.
    assert (ended.found["ppo", "A"].falls, ended.found["ppo", "A"].recoveries) == (2, 0)


def test_a_return_that_is_not_finite_makes_falls_unknown() -> None:
    """A run that had climbed and fallen before counted as one that never climbed."""
    broken = RESULTS.assign(
        mean_return=RESULTS["mean_return"].where(RESULTS["seed"] + RESULTS["timesteps"] != 800, np.inf)
    )
    table = stability_table(split_runs(broken), ["ppo"], {"A": KNOWN}, seed=0)
    assert table.found == {}
    assert table.left_out == {"ppo on A": "a return is not finite"}


def test_noise_by_hand() -> None:
    """Ten episodes: 15 ** 2 * 10 / 9 = 250, and the range is from -100 to 100."""
    run = RunEvaluations(np.array([1.0, 2.0]), np.zeros(2), np.array([15.0, 15.0]), np.array([10.0, 10.0]))
    deviation, fewest = _noise(run, -100.0, 100.0)
    assert deviation == pytest.approx(math.sqrt(250.0) / 200.0)
    assert fewest == 10


def test_a_result_is_not_changed_later() -> None:
    table = stability_table(split_runs(RESULTS), ["ppo"], {"A": KNOWN}, seed=0)
    with pytest.raises(FrozenInstanceError):
        table.found = {}  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        table.found["ppo", "A"].runs = 3  # type: ignore[misc]


def test_environments_that_cannot_be_judged_are_listed() -> None:
    table = stability_table(split_runs(RESULTS), ["ppo"], {"A": Scale(0.0, 100.0, from_study_range=True)}, seed=0)
    assert table.found == {}
    assert "no random and reference score" in table.left_out["A"]
    few = stability_table(split_runs(RESULTS.assign(episodes=5)), ["ppo"], {"A": KNOWN}, seed=0)
    assert few.found == {}
    assert "5 episodes, at least 10" in few.left_out["A"]
