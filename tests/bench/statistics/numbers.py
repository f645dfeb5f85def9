"""A study and its results, small enough to be worked by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sb3_ppo_variants.bench.study.study import Study


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
    labels = {"arm": arm, "environment": environment, "seed": seed, "std_return": 0.0, "episodes": 10}
    return [{**labels, "timesteps": 100 * (i + 1), "mean_return": value} for i, value in enumerate(returns)]


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
