"""The tables of a study as files, which count where the folders of runs are not there."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.record import check_record
from sb3_ppo_variants.bench.runs.whole import LeftOut
from sb3_ppo_variants.bench.study.run import Run, folder_name
from sb3_ppo_variants.bench.table.table import KEYS, RUN_KEYS, TIMING_TEXTS, Tables, collect, of_arm

# In place of the identity of a run of another program, whose configuration is not known in full.
IMPORTED = "imported"
TABLE_FILES = {
    "results.csv": "results",
    "timings.csv": "timings",
    "updates.csv.gz": "updates",
    "times.csv.gz": "times",
}
RECORDS_FILE = "records.json.gz"
DAMAGED = ".damaged"
# Bytes of a table for each run, uncompressed; ten times what 250 updates with thirty values take.
MOST_OF_RUN = 1_000_000
# With it pandas reads back exactly what it wrote; from 3.1 on that is the default, and the option draws a warning.
ROUND_TRIP: dict[str, Any] = (
    {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
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
    temporary = folder / f".{RECORDS_FILE}"
    temporary.write_bytes(packed)
    temporary.replace(folder / RECORDS_FILE)
    _write_parquet(tables.results, folder)


def write_beside(tables: Tables, folder: Path) -> Tables:
    """Write tables, and keep the rows of runs that only the earlier tables of the folder have.

    Such runs are those of an arm that the study file no longer names, without their folders. If one has the arm,
    environment and seed of a run with other settings now, nothing is written: tables tell runs apart by these.

    :param tables: of the runs of a study
    :param folder: where they go
    :return: the same tables; ``left_out`` says so if they were not written, or if damaged ones were set aside
    """
    # What the earlier tables have beyond these was said when they were read.
    stored = read_of_any_study(folder) if any(item.folder == folder for item in tables.left_out) else None
    if stored is None:
        write(tables, folder)
        return tables
    if stored.results.columns.empty:
        _set_aside(folder)
        write(tables, folder)
        kept = LeftOut(folder, f"the damaged tables are kept, as results.csv{DAMAGED} and so on")
        return replace(tables, left_out=[*tables.left_out, kept])
    others = _without_folders(stored.results, folder)
    others = others[~others["identity"].isin(set(tables.results["identity"]))]
    labels = set(others[KEYS].itertuples(index=False, name=None))
    if labels.intersection(tables.results[KEYS].itertuples(index=False, name=None)):
        reason = "its tables were not written: they are all that is left of runs that have other settings now"
        return replace(tables, left_out=[*tables.left_out, LeftOut(folder, reason)])
    frames = {name: _rows(getattr(stored, name), labels) for name in TABLE_FILES.values()}
    records = [record for record in stored.records if _label(record) in labels]
    write(join(tables, Tables(**{**frames, "results": others}, records=records, left_out=[])), folder)
    return tables


def read(folder: Path, runs: Sequence[Run]) -> Tables | None:
    """Read what :func:`write` wrote, so that a published report can be made again without its runs.

    Rows of imported runs, of runs that are none of these, and of runs whose folders are there are left out.

    :param runs: of the study
    :return: None when they are not there
    """
    if not (folder / RECORDS_FILE).exists():
        return None
    try:
        return _of_study(_stored(folder), runs, folder)
    except Exception as error:  # whatever pandas says of a damaged table
        return _damaged(folder, error)


def read_of_any_study(folder: Path) -> Tables | None:
    """Read what :func:`write` wrote, for whichever study; without the rows of imported runs.

    :param folder: that it wrote to
    :return: None when they are not there
    """
    if not (folder / RECORDS_FILE).exists():
        return None
    try:
        tables = _stored(folder)
    except Exception as error:  # whatever pandas says of a damaged table
        return _damaged(folder, error)
    return replace(tables, results=tables.results[tables.results["identity"] != IMPORTED])


def select(tables: Tables, labels: Collection[tuple[str, str, int]], identities: Collection[str]) -> Tables:
    """The rows and records of some runs.

    :param tables: of more runs
    :param labels: arm, environment and seed of each
    :param identities: the identity of each
    """
    frames = {name: _rows(getattr(tables, name), labels) for name in TABLE_FILES.values()}
    records = [record for record in tables.records if record["identity"] in identities and _label(record) in labels]
    return Tables(**frames, records=records, left_out=tables.left_out)


def join(first: Tables, second: Tables) -> Tables:
    """The rows and records of both as :func:`.table.collect` orders them.

    :param first: tables of some runs
    :param second: tables of other runs
    """
    frames = {name: _joined_in_order(getattr(first, name), getattr(second, name)) for name in TABLE_FILES.values()}
    records = sorted(first.records + second.records, key=_label)
    return Tables(**frames, records=records, left_out=first.left_out + second.left_out)


def all_tables(runs: Sequence[Run], folders: Folders, metrics: Collection[str] = ()) -> Tables:
    """The tables of the finished runs, and of those that only the tables of an earlier report have.

    So a study goes on from published tables, on a machine that lacks the folders of their runs.

    :param runs: of the study
    :param folders: its folders
    :param metrics: keys of infos that become columns of the results, where runs have them
    """
    made, stored = collect(runs, folders, metrics), read(folders.root, runs)
    if stored is None:
        return made
    if made.records and stored.results.columns.empty:
        return replace(made, left_out=[*made.left_out, *stored.left_out])
    return join(made, stored)


def stored_runs(runs: Sequence[Run], folders: Folders) -> list[tuple[Run, dict[str, Any]]]:
    """The runs that only the tables of an earlier report have, with their records.

    :param runs: of the study
    :param folders: its folders
    """
    without = [run for run in runs if not folders.is_finished(run)]
    stored = read(folders.root, runs) if without else None
    if stored is None or stored.results.empty:
        return []
    records = {_label(record): record for record in stored.records}
    return [(run, records[label]) for run in without if (label := (run.arm, run.environment, run.seed)) in records]


def missing_runs(runs: Sequence[Run], folders: Folders) -> list[Run]:
    """The runs that neither a folder nor the tables of an earlier report have.

    :param runs: of the study
    :param folders: its folders
    """
    stored = {id(run) for run, _ in stored_runs(runs, folders)}
    return [run for run in runs if not folders.is_finished(run) and id(run) not in stored]


def _joined_in_order(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    if first.empty or second.empty:
        return second if first.empty else first
    joined = pd.concat([first, second], ignore_index=True)
    return joined.sort_values(KEYS, kind="stable", ignore_index=True)


def _label(record: dict[str, Any]) -> tuple[str, str, int]:
    arm, environment, seed = (record["configuration"][key] for key in KEYS)
    return arm, environment, seed


def _damaged(folder: Path, error: Exception) -> Tables:
    reason = " ".join(f"its tables cannot be read, {type(error).__name__}: {error}".split())
    empty = pd.DataFrame()
    return Tables(empty, empty, empty, empty, [], [LeftOut(folder, reason)])


def _set_aside(folder: Path) -> None:
    """Keep damaged tables, of which a part may be whole; those that were kept first have the most runs."""
    for name in (*TABLE_FILES, RECORDS_FILE):
        path, kept = folder / name, folder / f"{name}{DAMAGED}"
        if path.exists() and not kept.exists():
            path.rename(kept)


def _stored(folder: Path) -> Tables:
    most = MOST_OF_RUN * ((folder / "timings.csv").read_bytes().count(b"\n") + 1)
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
    own = _without_folders(tables.results[tables.results["identity"] != IMPORTED], folder)
    steps: dict[Any, Any] = own.groupby(RUN_KEYS)["timesteps"].agg(["min", "max"]).sum(axis=1).to_dict()
    known = {(run.arm, run.environment, run.seed, run.identity): run.total_timesteps for run in runs}
    # Two arms may have equal runs, each with a record of its own.
    recorded: dict[Any, Any] = {record["identity"]: record for record in tables.records}
    of_arms = {(_label(record)[0], record["identity"]): record for record in tables.records}
    timed = set(pd.MultiIndex.from_frame(tables.timings[RUN_KEYS]))
    # The first evaluation is as far from the start as each from the one before.
    kept = [key for key, end in known.items() if key in timed and key[3] in recorded and steps.get(key, 0) > end]
    labels = [key[:3] for key in kept]
    own_records = (of_arms.get((key[0], key[3]), recorded[key[3]]) for key in kept)
    records = sorted((of_arm(record, key[0]) for record, key in zip(own_records, kept, strict=True)), key=_label)
    lacks = {
        "not whole in its tables": sorted(set(steps).intersection(known).difference(kept)),
        "in its tables, but not in the study file": sorted(set(steps).difference(known)),
    }
    own = own[pd.MultiIndex.from_frame(own[RUN_KEYS]).isin(kept)]
    left_out = [LeftOut(folder, _named(keys, what)) for what, keys in lacks.items() if keys]
    frames = {name: _rows(getattr(tables, name), labels) for name in TABLE_FILES.values()}
    return Tables(**{**frames, "results": own}, records=records, left_out=left_out)


def _without_folders(results: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The rows of runs whose folders are not there."""
    keys = results[RUN_KEYS].drop_duplicates().itertuples(index=False, name=None)
    here = [key for key in keys if (folder / key[0] / folder_name(*key[1:])).is_dir()]
    return results[~pd.MultiIndex.from_frame(results[RUN_KEYS]).isin(here)] if here else results


def _rows(frame: pd.DataFrame, labels: Collection[tuple[str, str, int]]) -> pd.DataFrame:
    kept: pd.DataFrame = frame[pd.MultiIndex.from_frame(frame[KEYS]).isin(list(labels))]
    return kept.reset_index(drop=True)


def _named(keys: list[tuple[Any, ...]], what: str) -> str:
    arm, environment, seed, identity = keys[0]
    count = f"{len(keys)} runs are" if len(keys) > 1 else "one run is"
    return f"{count} {what}, such as {arm} on {environment}, seed {seed}, {identity}"


def _compression(name: str) -> Any:
    # Without the time, so that equal tables give equal bytes. Level 9 takes twice the time of 6 for 1 % less.
    return {"method": "gzip", "mtime": 0, "compresslevel": 4} if name.endswith(".gz") else None


def _write_parquet(results: pd.DataFrame, folder: Path) -> None:
    """Write ``results.parquet`` when pandas has an engine for it; without one, remove an old file."""
    path, temporary = folder / "results.parquet", folder / ".results.parquet"
    try:
        results.to_parquet(temporary, index=False)
    except ImportError:
        path.unlink(missing_ok=True)
    else:
        temporary.replace(path)
