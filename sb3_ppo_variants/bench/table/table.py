"""Finished run folders of a study -> tables."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sb3_ppo_variants.bench.runs.evaluation import TIMES_FILE
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.table.logs import evaluations

RESULT_COLUMNS = [
    "arm", "environment", "seed", "identity", "timesteps", "mean_return", "std_return", "mean_length", "episodes",
]  # fmt: skip
TIMING_COLUMNS = ["arm", "environment", "seed", "identity", "seconds", "steps_per_second", "started", "finished", "cpu"]
KEYS = ["arm", "environment", "seed"]
TABLE_FILES = {
    "results.csv": "results",
    "timings.csv": "timings",
    "updates.csv.gz": "updates",
    "times.csv.gz": "times",
}
RECORDS_FILE = "records.json.gz"
# With it pandas reads back exactly what it wrote; from 3.1 on that is the default, and the option draws a warning.
ROUND_TRIP: dict[str, Any] = (
    {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
)
UPDATE_KEY = "time/total_timesteps"
# So many updates of a run say how large they were. Runs with short rollouts have tens of thousands.
UPDATES_OF_RUN = 250


@dataclass(frozen=True)
class Tables:
    """What the finished runs of a study left.

    :param results: one row per evaluation; deterministic columns only
    :param timings: one row per run; wall-clock columns
    :param updates: one row per logger dump that carries ``train/`` values, at most 250 of a run: evenly spaced ones
    :param times: one row per evaluation, seconds of training until then; runs that did not write them are absent
    :param records: the ``run.json`` of each finished run
    """

    results: pd.DataFrame
    timings: pd.DataFrame
    updates: pd.DataFrame
    times: pd.DataFrame
    records: list[dict[str, Any]]


def collect(runs: Iterable[Run], folders: Folders) -> Tables:
    """Read the finished ones among the runs of a study; other folders are never looked at."""
    finished = sorted(
        (run for run in runs if folders.is_finished(run)),
        key=lambda run: (run.arm, run.environment, run.seed),
    )
    records = [folders.record(run) for run in finished]
    timings = [_timing(run, record) for run, record in zip(finished, records, strict=True)]
    timed = [run for run in finished if (folders.finished(run) / TIMES_FILE).exists()]
    return Tables(
        results=_joined(finished, [_evaluations(run, folders.finished(run)) for run in finished], RESULT_COLUMNS),
        timings=pd.DataFrame(timings, columns=TIMING_COLUMNS),
        updates=_joined(finished, [_updates(folders.finished(run)) for run in finished], [*KEYS, "timesteps"]),
        times=_joined(timed, [_times(folders.finished(run)) for run in timed], [*KEYS, "timesteps", "seconds"]),
        records=records,
    )


def write(tables: Tables, folder: Path) -> None:
    """Write ``results.csv`` (equal bytes for equal runs) and all else that a report is made from, see :func:`read`.

    With an engine for it, ``results.parquet`` too.
    """
    for name, attribute in TABLE_FILES.items():
        # Floats are written with the fewest digits that read back to the same number.
        temporary = folder / f".{name}"
        frame: pd.DataFrame = getattr(tables, attribute)
        frame.to_csv(temporary, index=False, lineterminator="\n", compression=_compression(name))
        temporary.replace(folder / name)
    packed = gzip.compress(json.dumps(tables.records).encode(), 6, mtime=0)
    (folder / RECORDS_FILE).write_bytes(packed)
    _write_parquet(tables.results, folder)


def read(folder: Path) -> Tables | None:
    """Read what :func:`write` wrote, so that a published report can be made again without its runs.

    :return: None when they are not there
    """
    if not (folder / RECORDS_FILE).exists():
        return None
    frames = {
        attribute: pd.read_csv(folder / name, dtype={"identity": str}, **ROUND_TRIP)
        for name, attribute in TABLE_FILES.items()
    }
    return Tables(**frames, records=json.loads(gzip.decompress((folder / RECORDS_FILE).read_bytes())))


def _compression(name: str) -> Any:
    # Without the time, so that equal tables give equal bytes. Level 9 takes twice the time of 6 for 1 % less.
    return {"method": "gzip", "mtime": 0, "compresslevel": 6} if name.endswith(".gz") else None


def _write_parquet(results: pd.DataFrame, folder: Path) -> None:
    """Write ``results.parquet`` when pandas has an engine for it; without one, remove an old file."""
    path, temporary = folder / "results.parquet", folder / ".results.parquet"
    try:
        results.to_parquet(temporary, index=False)
    except ImportError:
        path.unlink(missing_ok=True)
    else:
        temporary.replace(path)


def _labels(run: Run) -> dict[str, Any]:
    return {"arm": run.arm, "environment": run.environment, "seed": run.seed}


def _evaluations(run: Run, folder: Path) -> pd.DataFrame:
    """Return one row per evaluation within the budget.

    Training goes on to a full rollout, so arms with longer rollouts may be evaluated beyond ``total_timesteps``:
    those evaluations stay in evaluations.npz and count for no arm.
    """
    values = evaluations(folder).until(run.total_timesteps).table()
    values.insert(0, "identity", run.identity)
    return values


def _timing(run: Run, record: dict[str, Any]) -> dict[str, Any]:
    seconds = record["wall_seconds"]
    return {
        **_labels(run),
        "identity": run.identity,
        "seconds": seconds,
        "steps_per_second": round(run.total_timesteps / seconds, 1) if seconds else float("nan"),
        "started": record["started"],
        "finished": record["finished"],
        "cpu": record["provenance"]["cpu"],
    }


def _updates(folder: Path) -> pd.DataFrame:
    """Return the ``train/`` values of a run, names without the prefix; every n-th where there are many.

    SB3 writes what ``train()`` recorded at the next dump of its logger, so ``timesteps`` is that of the dump: up to
    one rollout later than the update itself.
    """
    progress = pd.read_csv(folder / "progress.csv")
    train = sorted(column for column in progress.columns if column.startswith("train/"))
    values = progress.loc[progress[train].notna().any(axis=1), [UPDATE_KEY, *train]]
    values.columns = pd.Index(["timesteps", *(name.removeprefix("train/") for name in train)])
    every = math.ceil(len(values) / UPDATES_OF_RUN) or 1
    # Counted from the end, so that the last one is among them.
    return values.iloc[::-every][::-1]


def _times(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / TIMES_FILE, usecols=["timesteps", "seconds"])[["timesteps", "seconds"]]


def _joined(runs: list[Run], frames: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Join the rows of runs, each row with the arm, the environment and the seed of its run.

    :param runs: the runs
    :param frames: the rows of each
    :param columns: of the table when there are no runs
    """
    if not runs:
        return pd.DataFrame(columns=columns)
    joined = pd.concat(frames, ignore_index=True)
    labels = pd.DataFrame(map(_labels, runs)).loc[np.repeat(np.arange(len(runs)), list(map(len, frames)))]
    return pd.concat([labels.reset_index(drop=True), joined], axis=1)
