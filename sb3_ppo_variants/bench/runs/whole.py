"""Which finished runs of a study are whole, and what else lies in its folders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sb3_ppo_variants.bench.runs.folders import Folders, label, listed
from sb3_ppo_variants.bench.runs.record import RECORD, NotWhole, read_record
from sb3_ppo_variants.bench.study.run import RESERVED, Run
from sb3_ppo_variants.messages import counted

NOT_IN_FILE = "that the study file does not have"


@dataclass(frozen=True)
class LeftOut:
    """What no number of a report comes from.

    :param folder: the folder
    :param reason: why
    """

    folder: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.folder}: {self.reason}"


def whole_runs(runs: Iterable[Run], folders: Folders) -> tuple[list[tuple[Run, dict[str, Any]]], list[LeftOut]]:
    """Sort the finished runs into those that are whole, with their records, and the folders that are not.

    :param runs: runs of a study
    :param folders: its folders
    """
    whole, left_out = [], []
    for run in runs:
        if folders.is_finished(run):
            try:
                whole.append((run, read_record(run, folders.finished(run))))
            except NotWhole as error:
                left_out.append(LeftOut(folders.finished(run), str(error)))
    return whole, left_out


def others(runs: Iterable[Run], folders: Folders) -> list[LeftOut]:
    """Count the runs in the folders of a study that are none of its runs: finished ones of each arm, and unfinished."""
    expected = {folders.finished(run): label(run) for run in runs}
    found = []
    for arm in arm_folders(folders.root):
        count = sum((path / RECORD).exists() for path in listed(arm) if path not in expected)
        found += [LeftOut(arm, f"{counted(count, 'run')} {NOT_IN_FILE}")] if count else []
    unfinished = [path for path in folders.all_partials() if path.name.rpartition("@")[0] not in expected.values()]
    if unfinished:
        found.append(LeftOut(unfinished[0].parent, f"{counted(len(unfinished), 'unfinished run')} {NOT_IN_FILE}"))
    return found


def arm_folders(root: Path) -> list[Path]:
    """The folders of arms in that of a study.

    :param root: ``<results>/<study name>``
    """
    return [path for path in listed(root) if path.name not in RESERVED and path.name[0] != "."]
