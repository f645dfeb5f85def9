"""Table 1 of the PPO paper from the runs of the study mujoco_table1: `python -m benchmarks.table1`.

Schulman et al. 2017 (arXiv 1707.06347), section 6.1, score a run by the mean return of its last 100 training episodes.
On each task 0 is a random policy and 1 the best setting; the score of a setting is the mean over the runs of all tasks.
A run that a number ended that was not finite has the mean of its last 100 episodes until then.

`training.csv` in the folder of the study has these means. Rows of runs whose folders are not there stay, so that the
table is made again on a machine that has not made the runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from stable_baselines3.common.monitor import load_results

from benchmarks.measurements.tables import table
from sb3_ppo_variants.bench.measure_scores import random_returns
from sb3_ppo_variants.bench.runs.folders import Folders, raised
from sb3_ppo_variants.bench.statistics.intervals import Array, Estimate, mean_interval, normalise
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.stored import ROUND_TRIP
from sb3_ppo_variants.bench.validation import read_study

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "benchmarks/studies/mujoco_table1.yaml"
FILE = "training.csv"
KEYS = ["arm", "environment", "seed"]
RANDOM = "random policy"
# Episodes that a score is the mean of.
LAST = 100
# The paper's numbers.
PAPER = {
    "no_limit": -0.39,
    "clip_0.1": 0.76,
    "clip_0.2": 0.82,
    "clip_0.3": 0.70,
    "adaptive_kl_0.003": 0.68,
    "adaptive_kl_0.01": 0.74,
    "adaptive_kl_0.03": 0.71,
    "fixed_kl_0.3": 0.62,
    "fixed_kl_1": 0.71,
    "fixed_kl_3": 0.72,
    "fixed_kl_10": 0.69,
}


def training_rows(study: Study, folders: Folders) -> Iterator[dict[str, Any]]:
    """A row for each run that is finished, or that a number ended that was not finite."""
    for run in study.runs:
        if folders.is_finished(run):
            yield _row(run, folders.finished(run), ended="")
        elif folders.is_failed(run) and "FloatingPointError" in (reason := raised(folders.reason(run))):
            yield _row(run, folders.failed(run), ended=reason)


def _row(run: Run, folder: Path, ended: str) -> dict[str, Any]:
    episodes = load_results(str(folder))
    last = episodes["r"].to_numpy(dtype=float)[-LAST:]
    labels = {"arm": run.arm, "environment": run.environment, "seed": run.seed, "identity": run.identity}
    steps, mean = int(episodes["l"].sum()), float(last.mean()) if len(last) else float("nan")
    return {**labels, "steps": steps, "episodes": len(episodes), "mean_return": mean, "ended": ended}


def random_row(run: Run) -> dict[str, Any]:
    """The row of a random policy in the environment of a run."""
    labels = {"arm": RANDOM, "environment": run.environment, "seed": 0, "identity": ""}
    mean = float(random_returns(run, LAST).mean())
    return {**labels, "steps": 0, "episodes": LAST, "mean_return": mean, "ended": ""}


def collect(study: Study, folders: Folders) -> pd.DataFrame:
    """Write `training.csv` anew: what the folders have, and the rows of runs that they do not have."""
    path = folders.root / FILE
    kept = read(folders.root) if path.exists() else None
    found = pd.DataFrame(list(training_rows(study, folders)))
    if kept is not None:
        found = pd.concat([found, kept]).drop_duplicates(KEYS)
    known = set(found.loc[found["arm"] == RANDOM, "environment"])
    missing = [study.runs_of(study.baseline, name)[0] for name in study.environments if name not in known]
    rows = pd.concat([found, pd.DataFrame([random_row(run) for run in missing])]).sort_values(KEYS)
    temporary = folders.root / f".{FILE}"
    rows.to_csv(temporary, index=False, lineterminator="\n")
    temporary.replace(path)
    return rows


def read(folder: Path) -> pd.DataFrame:
    """Read `training.csv` of a folder."""
    found: pd.DataFrame = pd.read_csv(folder / FILE, keep_default_na=False, dtype={"identity": str}, **ROUND_TRIP)
    return found


def scores(rows: pd.DataFrame) -> dict[tuple[str, str], Array]:
    """The normalised scores of the runs of each setting on each task that every setting has a run on.

    :param rows: of `training.csv`
    """
    returns = {
        (str(arm), str(name)): group["mean_return"].to_numpy(dtype=float)
        for (arm, name), group in rows.groupby(["arm", "environment"])
    }
    tasks = [name for name in dict.fromkeys(rows["environment"]) if all((arm, name) in returns for arm in PAPER)]
    best = {name: max(returns[arm, name].mean() for arm in PAPER) for name in tasks}
    lowest = {name: returns[RANDOM, name].mean() for name in tasks}
    return {(arm, name): normalise(returns[arm, name], lowest[name], best[name]) for arm in PAPER for name in tasks}


def settings(rows: pd.DataFrame) -> dict[str, Estimate]:
    """The score of each setting with its 95 % interval, given the scores that are 0 and 1.

    :param rows: of `training.csv`
    """
    found = scores(rows)
    return {arm: mean_interval(*(values for (who, _), values in found.items() if who == arm)) for arm in PAPER}


def kendall(rows: pd.DataFrame) -> float:
    """Kendall's rank correlation of our scores of the settings with the paper's.

    :param rows: of `training.csv`
    """
    ours = [estimate.value for estimate in settings(rows).values()]
    return float(pd.Series(ours).corr(pd.Series(list(PAPER.values())), method="kendall"))


def page_table(rows: pd.DataFrame) -> str:
    """The paper's table and ours side by side.

    :param rows: of `training.csv`
    """
    found, counts = settings(rows), rows["arm"].value_counts()
    ended = rows[rows["ended"] != ""]["arm"].value_counts()
    cells = (
        [
            arm,
            f"{PAPER[arm]:.2f}",
            f"{value:.2f}",
            f"{low:.2f} to {high:.2f}",
            str(counts.get(arm, 0)),
            str(ended.get(arm, 0)),
        ]
        for arm, (value, low, high) in found.items()
    )
    return table(["setting", "paper", "here", "95 % interval", "runs", "ended by a number that is not finite"], cells)


def task_table(rows: pd.DataFrame) -> str:
    """The mean scores of each setting on each task.

    :param rows: of `training.csv`
    """
    found = scores(rows)
    tasks = list(dict.fromkeys(name for _, name in found))
    cells = ([arm, *(f"{np.mean(found[arm, name]):.2f}" for name in tasks)] for arm in PAPER)
    return table(["setting", *tasks], cells)


def main() -> None:
    """Collect the scores of the runs and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of the results (default: results)"
    )
    study = read_study(STUDY)
    rows = collect(study, Folders(parser.parse_args().results / study.name))
    print(page_table(rows), task_table(rows), f"Kendall's rank correlation: {kendall(rows):.2f}", sep="\n\n")


if __name__ == "__main__":
    main()
