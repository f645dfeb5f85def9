"""The tables of a study beside the folders of its runs: they count where a folder is not there, or not whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.whole import LeftOut
from sb3_ppo_variants.bench.study.run import Run, folder_name
from sb3_ppo_variants.bench.table.files import (
    DAMAGED,
    TABLE_FILES,
    DamagedTables,
    has_tables,
    read_files,
    readable,
    set_aside,
    write,
)
from sb3_ppo_variants.bench.table.table import KEYS, RUN_KEYS, Tables, collect, of_arm

# In place of the identity of a run of another program, whose configuration is not known in full.
IMPORTED = "imported"
# Arm, environment, seed and identity of a run.
Key = tuple[str, str, int, str]


def write_beside(tables: Tables, folder: Path) -> Tables:
    """Write tables, and keep the rows of runs that only the earlier tables of the folder have.

    Such runs are those of an arm that the study file no longer names, without their folders. If one has the arm,
    environment and seed of a run with other settings now, nothing is written: tables tell runs apart by these.

    :param tables: of the runs of a study
    :param folder: where they go
    :return: the same tables; ``left_out`` says so if they were not written, or if damaged ones were set aside
    """
    try:
        # What the earlier tables have beyond these was said when they were read.
        stored = read_of_any_study(folder) if any(item.folder == folder for item in tables.left_out) else None
    except DamagedTables:
        set_aside(folder)
        write(tables, folder)
        kept = LeftOut(folder, f"the damaged tables are kept, as results.csv{DAMAGED} and so on")
        return replace(tables, left_out=[*tables.left_out, kept])
    if stored is None:
        write(tables, folder)
        return tables
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


def read(folder: Path, runs: Sequence[Run], made: Collection[Key] = ()) -> Tables | None:
    """Read the tables of a study, so that a published report can be made again without its runs.

    Rows of imported runs and of runs that are none of these are left out.

    :param folder: of the study
    :param runs: of the study
    :param made: runs that count by their folders, whose rows are left out
    :return: None when they are not there
    :raises DamagedTables: when they cannot be read
    """
    if not has_tables(folder):
        return None
    with readable(folder):
        return _of_study(read_files(folder), runs, folder, made)


def read_of_any_study(folder: Path) -> Tables | None:
    """Read tables of whichever study; without the rows of imported runs.

    :param folder: of the study
    :return: None when they are not there
    :raises DamagedTables: when they cannot be read
    """
    if not has_tables(folder):
        return None
    with readable(folder):
        tables = read_files(folder)
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
    made = collect(runs, folders, metrics)
    counted = {(*_label(record), record["identity"]) for record in made.records}
    try:
        stored = read(folders.root, runs, counted)
    except DamagedTables as error:
        return replace(made, left_out=[*made.left_out, error.left_out])
    if stored is None:
        return made
    kept = {_folder(folders.root, key) for key in _keys(stored.results)}
    left_out = [
        replace(item, reason=f"{item.reason}; its numbers are those of the tables") if item.folder in kept else item
        for item in made.left_out
    ]
    return join(replace(made, left_out=left_out), stored)


def stored_runs(runs: Sequence[Run], folders: Folders) -> list[tuple[Run, dict[str, Any]]]:
    """The runs that only the tables of an earlier report have, with their records.

    :param runs: of the study
    :param folders: its folders
    :raises DamagedTables: when they cannot be read
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
    :raises DamagedTables: when these cannot be read
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


def _of_study(tables: Tables, runs: Sequence[Run], folder: Path, made: Collection[Key]) -> Tables:
    """Keep the rows of the runs of a study; a run needs results up to its end, timings and a record."""
    own = _without(tables.results[tables.results["identity"] != IMPORTED], made)
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
        "in its tables, but not in the study file": sorted(set(_keys(_without_folders(own, folder))).difference(known)),
    }
    own = own[pd.MultiIndex.from_frame(own[RUN_KEYS]).isin(kept)]
    left_out = [LeftOut(folder, _named(keys, what)) for what, keys in lacks.items() if keys]
    frames = {name: _rows(getattr(tables, name), labels) for name in TABLE_FILES.values()}
    return Tables(**{**frames, "results": own}, records=records, left_out=left_out)


def _without_folders(results: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The rows of runs whose folders are not there."""
    return _without(results, [key for key in _keys(results) if _folder(folder, key).is_dir()])


def _without(results: pd.DataFrame, keys: Collection[Key]) -> pd.DataFrame:
    return results[~pd.MultiIndex.from_frame(results[RUN_KEYS]).isin(list(keys))] if keys else results


def _folder(root: Path, key: Key) -> Path:
    arm, environment, seed, identity = key
    return root / arm / folder_name(environment, seed, identity)


def _keys(results: pd.DataFrame) -> list[Key]:
    return list(results[RUN_KEYS].drop_duplicates().itertuples(index=False, name=None))


def _rows(frame: pd.DataFrame, labels: Collection[tuple[str, str, int]]) -> pd.DataFrame:
    kept: pd.DataFrame = frame[pd.MultiIndex.from_frame(frame[KEYS]).isin(list(labels))]
    return kept.reset_index(drop=True)


def _named(keys: list[tuple[Any, ...]], what: str) -> str:
    arm, environment, seed, identity = keys[0]
    count = f"{len(keys)} runs are" if len(keys) > 1 else "one run is"
    return f"{count} {what}, such as {arm} on {environment}, seed {seed}, {identity}"
