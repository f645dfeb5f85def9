"""`training.csv`: what the runs of the study mujoco_table1 returned in their last training episodes.

A run that a number ended that was not finite has the mean of its last 100 episodes until then. Rows of runs whose
folders are not there stay, so that the table is made again on a machine that has not made the runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from stable_baselines3.common.monitor import load_results

from sb3_ppo_variants.bench.measure_scores import random_returns
from sb3_ppo_variants.bench.replacing import replacing
from sb3_ppo_variants.bench.runs.folders import Folders, raised
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.files import ROUND_TRIP

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "benchmarks/studies/mujoco_table1.yaml"
PUBLISHED = ROOT / "benchmarks/published/mujoco_table1"
FILE = "training.csv"
KEYS = ["arm", "environment", "seed"]
RANDOM = "random policy"
# Episodes that a score is the mean of.
LAST = 100


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
    with replacing(path) as temporary:
        rows.to_csv(temporary, index=False, lineterminator="\n")
    return rows


def read(folder: Path) -> pd.DataFrame:
    """Read `training.csv` of a folder."""
    found: pd.DataFrame = pd.read_csv(folder / FILE, keep_default_na=False, dtype={"identity": str}, **ROUND_TRIP)
    return found
