"""The numbers that one finished run left: its evaluations, their times and its updates."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from sb3_ppo_variants.bench.runs.evaluation import INFO_COLUMNS, INFOS_FILE, TIMES_FILE
from sb3_ppo_variants.bench.runs.record import NotWhole, trained_steps
from sb3_ppo_variants.bench.study.keys import RETURN, SUCCESS
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.table.logs import UnreadableLog, evaluations

UPDATE_KEY = "time/total_timesteps"
# So many updates of a run say how large they were. Runs with short rollouts have tens of thousands.
UPDATES_OF_RUN = 250


@dataclass(frozen=True)
class Numbers:
    """What one run left.

    :param evaluations: one row per evaluation within the budget, with the identity of the run; after the end of a run
        that a callback ended, its last one with 0 episodes
    :param updates: the ``train/`` values, names without the prefix; every n-th where there are many
    :param times: steps and seconds of each evaluation, those carried forward too; None in a run that did not write them
    """

    evaluations: pd.DataFrame
    updates: pd.DataFrame
    times: pd.DataFrame | None


def read_numbers(
    run: Run, folder: Path, record: dict[str, Any] | None = None, metrics: Collection[str] = ()
) -> Numbers:
    """Read the numbers of a finished run, and check that they reach to its end.

    Training goes on to a full rollout, so arms with longer rollouts may be evaluated beyond ``total_timesteps``:
    those evaluations stay in evaluations.npz and count for no arm. The last evaluation of a run that a callback ended
    is carried forward to the budget.

    :param run: the run
    :param folder: that it left
    :param record: its ``run.json``; without it, it is taken not to be one that a callback ended
    :param metrics: keys of infos, each of which becomes a column of the evaluations if the run has it
    :raises NotWhole: when a file cannot be read, or ends too early
    """
    try:
        series = evaluations(folder)
    except UnreadableLog as error:
        raise NotWhole(str(error)) from error
    end = trained_steps(run, record or {})
    if series.timesteps[-1] + series.every <= end:
        raise NotWhole(f"evaluations.npz ends at {series.timesteps[-1]} of {end} steps")
    after = range(series.timesteps[-1] + series.every, run.total_timesteps + 1, series.every)
    # Nothing was played for a row that is carried forward.
    inside = series.until(run.total_timesteps).table()
    if (infos := _infos(folder, metrics)) is not None:
        inside = inside.merge(infos, how="left", on="timesteps")
    values = _carried(inside, after, episodes=0)
    values.insert(0, "identity", run.identity)
    times = _times(folder) if (folder / TIMES_FILE).exists() else None
    if times is not None and times["timesteps"].tolist() != series.timesteps.tolist():
        raise NotWhole(f"{TIMES_FILE} has other evaluations than evaluations.npz")
    return Numbers(values, _updates(end, folder), None if times is None else _carried(times, after))


def _infos(folder: Path, metrics: Collection[str]) -> pd.DataFrame | None:
    """The means of some keys of infos, by ``timesteps``; no columns for those that no evaluation has."""
    wanted = set(metrics) - {RETURN, SUCCESS}
    if not (wanted and (folder / INFOS_FILE).exists()):
        return None
    infos = _read(folder / INFOS_FILE)
    if list(infos.columns) != list(INFO_COLUMNS):
        raise NotWhole(f"{INFOS_FILE} does not have the columns {', '.join(INFO_COLUMNS)}")
    found = infos[infos["key"].isin(wanted)]
    return found.pivot(index="timesteps", columns="key", values="mean").rename_axis(columns=None).reset_index()


def _carried(values: pd.DataFrame, after: range, **columns: int) -> pd.DataFrame:
    """Repeat the last row of a run at the steps after its end, with the columns that are given."""
    if not len(after):
        return values
    last = values.iloc[[-1] * len(after)].assign(timesteps=after, **columns)
    return pd.concat([values, last], ignore_index=True)


def _updates(end: int, folder: Path) -> pd.DataFrame:
    """Return the ``train/`` values of a run.

    SB3 writes what ``train()`` recorded at the next dump of its logger, so ``timesteps`` is that of the dump: up to
    one rollout later than the update itself.
    """
    progress = _read(folder / "progress.csv")
    reached = progress[UPDATE_KEY] if UPDATE_KEY in progress else pd.Series(dtype=int)
    if not (len(reached) and is_numeric_dtype(reached) and reached.iloc[-1] >= end):
        raise NotWhole(f"progress.csv does not reach to {end} steps")
    # What is no number, as in a damaged line, cannot be drawn.
    numeric = [str(key) for key, dtype in progress.dtypes.items() if is_numeric_dtype(dtype)]
    train = sorted(key for key in numeric if key.startswith("train/"))
    values = progress[[UPDATE_KEY, *train]]
    rows = np.flatnonzero(values.notna().to_numpy()[:, 1:].any(axis=1))
    every = math.ceil(len(rows) / UPDATES_OF_RUN) or 1
    # Counted from the end, so that the last one is among them.
    values = values.take(rows[::-every][::-1])
    values.columns = pd.Index(["timesteps", *(name.removeprefix("train/") for name in train)])
    return values


def _times(folder: Path) -> pd.DataFrame:
    times = _read(folder / TIMES_FILE)
    columns = ["timesteps", "seconds"]
    if not all(name in times and is_numeric_dtype(times[name]) for name in columns):
        raise NotWhole(f"{TIMES_FILE} has no numbers called {' and '.join(columns)}")
    return times[columns]


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise NotWhole(f"{path.name} cannot be read: {' '.join(str(error).split())}") from error
