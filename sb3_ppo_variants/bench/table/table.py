"""Finished run folders of a study -> tables."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.provenance import distinct
from sb3_ppo_variants.bench.runs.record import NotWhole, check_record, trained_steps
from sb3_ppo_variants.bench.runs.whole import LeftOut, whole_runs
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.table.numbers import read_numbers

RESULT_COLUMNS = [
    "arm", "environment", "seed", "identity", "timesteps", "mean_return", "std_return", "mean_length", "episodes",
]  # fmt: skip
TIMING_COLUMNS = [
    "arm", "environment", "seed", "identity", "seconds", "steps_per_second", "started", "finished", "cpu", "differs",
]  # fmt: skip
TIMING_TEXTS = ("started", "finished", "cpu", "differs")
KEYS = ["arm", "environment", "seed"]
RUN_KEYS = [*KEYS, "identity"]
# In place of the identity of a run of another program, whose configuration is not known in full.
IMPORTED = "imported"
TABLE_FILES = {
    "results.csv": "results",
    "timings.csv": "timings",
    "updates.csv.gz": "updates",
    "times.csv.gz": "times",
}
RECORDS_FILE = "records.json.gz"
# Bytes of a table for each run, uncompressed; ten times what 250 updates with thirty values take.
MOST_OF_RUN = 1_000_000
# With it pandas reads back exactly what it wrote; from 3.1 on that is the default, and the option draws a warning.
ROUND_TRIP: dict[str, Any] = (
    {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
)


@dataclass(frozen=True)
class Tables:
    """What the finished runs of a study left.

    :param results: one row per evaluation; deterministic columns only. The last evaluation of a run that a callback
        ended is carried forward to the budget, in rows with 0 episodes
    :param timings: one row per run; wall-clock columns, and ``differs``: why a run that went on from a checkpoint is
        not the one that was never interrupted
    :param updates: one row per logger dump that carries ``train/`` values, at most 250 of a run: evenly spaced ones
    :param times: one row per evaluation, seconds of training until then; runs that did not write them are absent
    :param records: the ``run.json`` of each finished run
    :param left_out: the folders that no row comes from
    """

    results: pd.DataFrame
    timings: pd.DataFrame
    updates: pd.DataFrame
    times: pd.DataFrame
    records: list[dict[str, Any]]
    left_out: list[LeftOut] = field(default_factory=list)


def collect(runs: Iterable[Run], folders: Folders) -> Tables:
    """Read the finished ones among the runs of a study; other folders are never looked at.

    A folder that does not hold a whole run is left out, with the reason.
    """
    whole, left_out = whole_runs(sorted(runs, key=lambda run: (run.arm, run.environment, run.seed)), folders)
    read_runs = []
    for run, record in whole:
        try:
            read_runs.append((run, record, read_numbers(run, folders.finished(run), record)))
        except NotWhole as error:
            left_out.append(LeftOut(folders.finished(run), str(error)))
    finished = [run for run, _, _ in read_runs]
    numbers = [found for _, _, found in read_runs]
    timed = [(run, found.times) for run, found in zip(finished, numbers, strict=True) if found.times is not None]
    return Tables(
        results=_joined(finished, [found.evaluations for found in numbers], RESULT_COLUMNS),
        timings=pd.DataFrame([_timing(run, record) for run, record, _ in read_runs], columns=TIMING_COLUMNS),
        updates=_joined(finished, [found.updates for found in numbers], [*KEYS, "timesteps"]),
        times=_joined([run for run, _ in timed], [times for _, times in timed], [*KEYS, "timesteps", "seconds"]),
        # The files are those of the folder, and the tables are read without it.
        records=[{name: record[name] for name in record if name != "files"} for _, record, _ in read_runs],
        left_out=left_out,
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


def read(folder: Path, runs: Sequence[Run]) -> Tables | None:
    """Read what :func:`write` wrote, so that a published report can be made again without its runs.

    Rows of imported runs, and those that belong to none of the runs, are left out.

    :param runs: of the study
    :return: None when they are not there
    """
    if not (folder / RECORDS_FILE).exists():
        return None
    try:
        return _of_study(_stored(folder, most=MOST_OF_RUN * (len(runs) + 1)), runs, folder)
    except Exception as error:  # whatever pandas says of a damaged table
        reason = " ".join(f"its tables cannot be read, {type(error).__name__}: {error}".split())
        empty = pd.DataFrame()
        return Tables(empty, empty, empty, empty, [], [LeftOut(folder, reason)])


def _stored(folder: Path, most: int) -> Tables:
    results, timings, updates, times = (_frame(folder / name, most) for name in TABLE_FILES)
    records = json.loads(_content(folder / RECORDS_FILE, most))
    for record in records:
        check_record(record)
    return Tables(results, timings, updates, times, records)


def _frame(path: Path, most: int) -> pd.DataFrame:
    # An arm may be called 10 or NA; to_csv writes what is missing as nothing.
    texts = dict.fromkeys(("arm", "environment", "identity"), str)
    content = _content(path, most)
    if not content.endswith(b"\n"):
        raise ValueError(f"{path.name} ends within a line")
    frame: pd.DataFrame = pd.read_csv(
        io.BytesIO(content), dtype=texts, keep_default_na=False, na_values=[""], **ROUND_TRIP
    )
    numbers = frame.select_dtypes(["number", "bool"]).columns
    for name in set(frame.columns).difference(texts, TIMING_TEXTS, numbers if len(frame) else frame.columns):
        raise ValueError(f"{path.name} has a text among its numbers, in column {name}")
    return frame


def _content(path: Path, most: int) -> bytes:
    """Read a file, and no more of it than so many bytes, whatever it holds compressed."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        content: bytes = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path.name} is larger than {most} bytes")
    return content


def _of_study(tables: Tables, runs: Sequence[Run], folder: Path) -> Tables:
    """Keep the rows of the runs of a study; a run needs results up to its end, timings and a record."""
    own = tables.results[tables.results["identity"] != IMPORTED]
    steps: dict[Any, Any] = own.groupby(RUN_KEYS)["timesteps"].agg(["min", "max"]).sum(axis=1).to_dict()
    known = {(run.arm, run.environment, run.seed, run.identity): run.total_timesteps for run in runs}
    recorded = {record["identity"] for record in tables.records}
    timed = set(pd.MultiIndex.from_frame(tables.timings[RUN_KEYS]))
    # The first evaluation is as far from the start as each from the one before.
    kept = [key for key, end in known.items() if key in timed and key[3] in recorded and steps.get(key, 0) > end]
    labels = [key[:3] for key in kept]
    identities = {key[3] for key in kept}
    lacks = {
        "not whole in its tables": sorted(set(steps).intersection(known).difference(kept)),
        "in its tables, but not in the study file": sorted(set(steps).difference(known)),
    }
    return Tables(
        results=own[pd.MultiIndex.from_frame(own[RUN_KEYS]).isin(kept)].reset_index(drop=True),
        timings=_rows(tables.timings, labels),
        updates=_rows(tables.updates, labels),
        times=_rows(tables.times, labels),
        records=[record for record in tables.records if record["identity"] in identities],
        left_out=[LeftOut(folder, _named(keys, what)) for what, keys in lacks.items() if keys],
    )


def _rows(frame: pd.DataFrame, labels: list[tuple[str, str, int]]) -> pd.DataFrame:
    kept: pd.DataFrame = frame[pd.MultiIndex.from_frame(frame[KEYS]).isin(labels)]
    return kept.reset_index(drop=True)


def _named(keys: list[tuple[Any, ...]], what: str) -> str:
    arm, environment, seed, identity = keys[0]
    count = f"{len(keys)} runs are" if len(keys) > 1 else "one run is"
    return f"{count} {what}, such as {arm} on {environment}, seed {seed}, {identity}"


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


def differences(record: dict[str, Any]) -> list[str]:
    """Why a run that went on from a checkpoint is not the one that was never interrupted; empty when it is.

    :param record: its ``run.json``
    """
    return distinct(went_on["differs"] for went_on in record.get("resumed", []) if went_on["differs"])


def _timing(run: Run, record: dict[str, Any]) -> dict[str, Any]:
    seconds = record["wall_seconds"]
    return {
        **_labels(run),
        "identity": run.identity,
        "seconds": seconds,
        "steps_per_second": round(trained_steps(run, record) / seconds, 1) if seconds else float("nan"),
        "started": record["started"],
        "finished": record["finished"],
        "cpu": record["provenance"]["cpu"],
        "differs": "; ".join(differences(record)) or None,
    }


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
