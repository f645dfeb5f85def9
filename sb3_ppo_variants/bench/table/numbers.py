"""The numbers that one finished run left: its evaluations, their times and its updates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sb3_ppo_variants.bench.runs.evaluation import TIMES_FILE
from sb3_ppo_variants.bench.runs.record import NotWhole
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.table.logs import UnreadableLog, evaluations

UPDATE_KEY = "time/total_timesteps"
# So many updates of a run say how large they were. Runs with short rollouts have tens of thousands.
UPDATES_OF_RUN = 250


@dataclass(frozen=True)
class Numbers:
    """What one run left.

    :param evaluations: one row per evaluation within the budget, with the identity of the run
    :param updates: the ``train/`` values, names without the prefix; every n-th where there are many
    :param times: steps and seconds of each evaluation; None in a run that did not write them
    """

    evaluations: pd.DataFrame
    updates: pd.DataFrame
    times: pd.DataFrame | None


def read_numbers(run: Run, folder: Path) -> Numbers:
    """Read the numbers of a finished run, and check that they reach to its end.

    Training goes on to a full rollout, so arms with longer rollouts may be evaluated beyond ``total_timesteps``:
    those evaluations stay in evaluations.npz and count for no arm.

    :raises NotWhole: when a file cannot be read, or ends too early
    """
    try:
        series = evaluations(folder)
    except UnreadableLog as error:
        raise NotWhole(str(error)) from error
    if series.timesteps[-1] + series.every <= run.total_timesteps:
        raise NotWhole(f"evaluations.npz ends at {series.timesteps[-1]} of {run.total_timesteps} steps")
    values = series.until(run.total_timesteps).table()
    values.insert(0, "identity", run.identity)
    times = _times(folder) if (folder / TIMES_FILE).exists() else None
    if times is not None and times["timesteps"].tolist() != series.timesteps.tolist():
        raise NotWhole(f"{TIMES_FILE} has other evaluations than evaluations.npz")
    return Numbers(values, _updates(run, folder), times)


def _updates(run: Run, folder: Path) -> pd.DataFrame:
    """Return the ``train/`` values of a run.

    SB3 writes what ``train()`` recorded at the next dump of its logger, so ``timesteps`` is that of the dump: up to
    one rollout later than the update itself.
    """
    progress = _read(folder / "progress.csv")
    if not (len(progress) and UPDATE_KEY in progress and progress[UPDATE_KEY].iloc[-1] >= run.total_timesteps):
        raise NotWhole(f"progress.csv does not reach to {run.total_timesteps} steps")
    # What is no number, as in a damaged line, cannot be drawn.
    numeric = progress.select_dtypes(["number", "bool"])
    train = sorted(column for column in numeric.columns if column.startswith("train/"))
    values = numeric.loc[numeric[train].notna().any(axis=1), [UPDATE_KEY, *train]]
    values.columns = pd.Index(["timesteps", *(name.removeprefix("train/") for name in train)])
    every = math.ceil(len(values) / UPDATES_OF_RUN) or 1
    # Counted from the end, so that the last one is among them.
    return values.iloc[::-every][::-1]


def _times(folder: Path) -> pd.DataFrame:
    times = _read(folder / TIMES_FILE)
    columns = ["timesteps", "seconds"]
    if not set(columns) <= set(times.select_dtypes("number")):
        raise NotWhole(f"{TIMES_FILE} has no numbers called {' and '.join(columns)}")
    return times[columns]


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise NotWhole(f"{path.name} cannot be read: {' '.join(str(error).split())}") from error
