"""The finished runs of several results folders of one study become those of one folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_ppo_variants.bench.replacing import replacing
from sb3_ppo_variants.bench.runs.folders import Folders, listed, move_into_place, sync
from sb3_ppo_variants.bench.runs.provenance import describe_versions, distinct
from sb3_ppo_variants.bench.runs.record import RECORD, NotWhole, read_record_of
from sb3_ppo_variants.bench.runs.whole import LeftOut, arm_folders
from sb3_ppo_variants.bench.table.files import DamagedTables, write
from sb3_ppo_variants.bench.table.logs import UnreadableLog, evaluations
from sb3_ppo_variants.bench.table.stored import join, read_of_any_study, select
from sb3_ppo_variants.bench.table.table import KEYS, Tables, of_arm
from sb3_ppo_variants.bench.tuning.table import TRIALS_FILE

# The numbers of an evaluation that every run has.
COMPARED = ["timesteps", "mean_return", "std_return", "mean_length"]


class Contradictions(Exception):
    """Why folders cannot be merged.

    :param mistakes: one line each
    """

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = mistakes
        super().__init__("\n  ".join(["The folders cannot be merged:", *mistakes]))


@dataclass(frozen=True)
class FinishedRun:
    """A finished run in one of the folders.

    :param root: the folder of the study
    :param record: its ``run.json``
    :param folder: its own folder; None for a run that only the tables of an earlier report have
    """

    root: Path
    record: dict[str, Any]
    folder: Path | None = None

    @property
    def label(self) -> tuple[str, str, int]:
        """Arm, environment and seed."""
        arm, environment, seed = (self.record["configuration"][key] for key in KEYS)
        return arm, environment, seed

    @property
    def identity(self) -> str:
        """Which run it is."""
        return str(self.record["identity"])

    def __str__(self) -> str:
        return str(self.folder or self.root)


@dataclass
class Merged:
    """What was merged.

    :param copied: number of runs that the folder did not have
    :param kept: number of runs that it had
    :param left_out: what no run comes from
    :param notes: what the runs differ in, and what that means
    """

    copied: int = 0
    kept: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Found:
    """All that lies in the folders, each run once."""

    runs: dict[tuple[str, str], FinishedRun] = field(default_factory=dict)
    tables: dict[Path, Tables] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)

    def add(self, run: FinishedRun) -> None:
        """Add a run, of which the first copy counts."""
        first = self.runs.setdefault((run.label[0], run.identity), run)
        if first.root != run.root and not _agree(first, run, self.tables):
            self.mistakes.append(f"{first} and {run} have different numbers for {_named(run)}; remove one of them")


def merge(sources: Sequence[Path], target: Path) -> Merged:
    """Copy the finished runs of several folders into one, as hard links where the file system can.

    The folders stay as they are. Nothing is copied unless they agree. A run is copied by one rename, so that after a
    kill the same call goes on with the rest. Runs that only tables have become those of the tables of the target.

    :param sources: folders of a study on several machines, ``<results>/<study name>``
    :param target: the folder of all runs, which may have some already
    :raises Contradictions: when a folder has no runs, or two have different numbers for one run
    """
    mistakes = [f"{root}: there is no such folder" for root in sources if not root.is_dir()]
    mistakes += [f"{root}: give another folder to merge into" for root in sources if _same(root, target)]
    if mistakes:
        raise Contradictions(mistakes)
    found, roots = _Found(), [*dict.fromkeys([target, *sources])]
    # The folder of a run has more than the tables, so those of all folders come first.
    runs = [run for look in (_with_folders, _in_tables) for root in roots for run in look(root, found)]
    for run in runs:
        found.add(run)
    found.mistakes += [
        f"{place} is no finished run and in the way of {run.folder}; remove it"
        for run in found.runs.values()
        if run.folder is not None and run.root != target and any(listed(place := _place(run.folder, target)))
    ]
    having = {run.root for run in runs}
    found.mistakes += [f"{root}: it has no finished run" for root in sources if root not in having]
    # The merged tables would take their place.
    found.mistakes += [f"{item}; restore or remove them" for item in found.left_out if item.folder == target]
    trials = _trials(sources, target, found)
    if found.mistakes:
        raise Contradictions(found.mistakes)
    return _copy(found, target, trials)


def _same(root: Path, other: Path) -> bool:
    return root.resolve() == other.resolve()


def _with_folders(root: Path, found: _Found) -> Iterator[FinishedRun]:
    for folder in (path for arm in arm_folders(root) for path in listed(arm) if (path / RECORD).exists()):
        try:
            run = FinishedRun(root, of_arm(read_record_of(folder), folder.parent.name), folder)
            evaluations(folder)
        except (NotWhole, UnreadableLog) as error:
            found.left_out.append(LeftOut(folder, str(error)))
        else:
            yield run


def _in_tables(root: Path, found: _Found) -> Iterator[FinishedRun]:
    try:
        tables = read_of_any_study(root)
    except DamagedTables as error:
        found.left_out.append(error.left_out)
        return
    if tables is not None and tables.records:
        found.tables[root] = tables
        yield from (FinishedRun(root, record) for record in tables.records)


def _agree(first: FinishedRun, second: FinishedRun, tables: Mapping[Path, Tables]) -> bool:
    one, other = (_numbers(run, tables) for run in (first, second))
    return one.shape == other.shape and bool(((one == other) | (one.isna() & other.isna())).all(axis=None))


def _numbers(run: FinishedRun, tables: Mapping[Path, Tables]) -> pd.DataFrame:
    """The evaluations of a run that were played and count."""
    if run.folder is not None:
        played = evaluations(run.folder).until(run.record["configuration"]["total_timesteps"]).table()
    else:
        results = tables[run.root].results
        played = results[(results["identity"] == run.identity) & (results["arm"] == run.label[0])]
        played = played[played["episodes"] > 0]
    return played[COMPARED].astype(float).reset_index(drop=True)


def _named(run: FinishedRun) -> str:
    arm, environment, seed = run.label
    return f"{arm} on {environment}, seed {seed}, {run.identity}"


def _trials(sources: Sequence[Path], target: Path, found: _Found) -> Path | None:
    """The trials of a tuned study, which all folders that have some have in common."""
    files = [root / TRIALS_FILE for root in [target, *sources] if (root / TRIALS_FILE).exists()]
    for file in files[1:]:
        if file.read_bytes() != files[0].read_bytes():
            found.mistakes.append(f"{files[0]} and {file} are different: tune on one machine, then copy its folder")
    return files[0] if files else None


def _copy(found: _Found, target: Path, trials: Path | None) -> Merged:
    runs = found.runs.values()
    stored = [run for run in runs if run.folder is None]
    merged = Merged(kept=sum(run.root == target for run in runs), left_out=found.left_out, notes=_notes(runs))
    merged.copied = len(runs) - merged.kept
    joined = _tables(stored, found)
    target.mkdir(parents=True, exist_ok=True)
    folders = Folders(target)
    with folders.locked():
        folders.clean()
        for run in runs:
            if run.folder is not None and run.root != target:
                _link(run.folder, _place(run.folder, target), folders)
        if any(run.root != target for run in stored):
            write(joined, target)
        if trials is not None and trials.parent != target:
            with replacing(target / TRIALS_FILE) as temporary:
                shutil.copyfile(trials, temporary)
    return merged


def _tables(stored: Sequence[FinishedRun], found: _Found) -> Tables:
    """The tables of the runs without a folder.

    :raises Contradictions: when two of them have one arm, environment and seed, which tables tell runs apart by
    """
    first: dict[tuple[str, str, int], FinishedRun] = {}
    pairs = [(first.setdefault(run.label, run), run) for run in stored]
    mistakes = [
        f"{one} and {run} have {_named(run)} with different settings, and tables only: a table has one of them"
        for one, run in pairs
        if one is not run
    ]
    if mistakes:
        raise Contradictions(mistakes)
    parts = []
    for root, tables in found.tables.items():
        own = [run for run in stored if run.root == root]
        parts.append(select(tables, [run.label for run in own], {run.identity for run in own}))
    empty = pd.DataFrame()
    return reduce(join, parts, Tables(empty, empty, empty, empty, []))


def _place(folder: Path, target: Path) -> Path:
    """Where the folder of a run belongs."""
    return target / folder.parent.name / folder.name


def _link(folder: Path, final: Path, folders: Folders) -> None:
    """Copy the folder of a run, and show it only when it is whole."""
    partial = folders.partial_named(f"{final.parent.name}-{final.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, partial, copy_function=_link_or_copy)
    # The time of its source would make it that of a dead process.
    os.utime(partial)
    sync(partial)
    move_into_place(partial, final)


def _link_or_copy(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


def _notes(runs: Collection[FinishedRun]) -> list[str]:
    provenance = [run.record["provenance"] for run in runs]
    versions = distinct(each["versions"] for each in provenance)
    processors = distinct(each["cpu"] for each in provenance)
    notes = []
    if len(versions) > 1:
        notes.append(
            f"The runs were made with different package versions ({describe_versions(versions)}): "
            "ppo-bench report needs --allow-mixed-versions, and says so."
        )
    if len(processors) > 1:
        notes.append(
            f"The runs were made on different processors ({', '.join(processors)}), on which equal runs have different "
            "numbers; the report lists them."
        )
    return notes
