"""What others publish for PPO on MuJoCo, beside stock PPO of a study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.markdown import table
from benchmarks.published_runs import published_runs
from sb3_ppo_variants.bench.statistics.scores import scores
from sb3_ppo_variants.bench.study.study import Study

# Mean returns. tianshou: ten seeds, a million steps, version 3 of the tasks, at the best point of training. RL Zoo: one
# run of a million steps. SLM-Lab 5: four to ten million steps, version 5 of the tasks.
OF_OTHERS = {
    "tianshou": {"HalfCheetah": 5784, "Hopper": 2609, "Walker2d": 3589, "Ant": 3258, "Swimmer": 67},
    "RL Zoo": {"HalfCheetah": 5819, "Hopper": 2410, "Walker2d": 3479, "Ant": 1327, "Swimmer": 282},
    "SLM-Lab 5": {"HalfCheetah": 6241, "Hopper": 1654, "Walker2d": 4379, "Ant": 2138, "Swimmer": 282},
}
STOCK = ("base", "rl_zoo", "library_defaults")


def best_point(runs: list[pd.DataFrame]) -> float:
    """The mean return over the runs at the evaluation where it is highest, as tianshou publishes it.

    :param runs: rows of the results table, one frame for each run
    """
    together = pd.concat(runs)
    return float(together.groupby("timesteps")["mean_return"].mean().max())


def yardsticks(study: Study, folder: Path) -> str:
    """The returns that others publish, and for each stock arm the mean score and, in brackets, that at the best point.

    :param study: a study on MuJoCo
    :param folder: with the tables of its runs
    :raises FileNotFoundError: when a stock arm has no finished run on one of the tasks
    """
    runs = published_runs(study, folder, STOCK)
    found = scores(runs, study)

    def cell(arm: str, name: str) -> str:
        return f"{np.mean(found[arm, name]):.0f} ({best_point([*runs[arm, name].values()]):.0f})"

    rows = (
        [
            name,
            *(str(of_task[name.partition("-")[0]]) for of_task in OF_OTHERS.values()),
            *(cell(arm, name) for arm in STOCK),
        ]
        for name in study.environments
    )
    return table(["task", *OF_OTHERS, *(f"`{arm}`" for arm in STOCK)], rows)
