"""A run with more steps begins at the last state of a finished one that is the same but for its number of steps."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from sb3_ppo_variants.bench.runs.checkpoint import FILES, SHORTER
from sb3_ppo_variants.bench.runs.environments import OUTPUT
from sb3_ppo_variants.bench.runs.folders import Folders, listed
from sb3_ppo_variants.bench.runs.provenance import versions
from sb3_ppo_variants.bench.runs.record import CHECKPOINT, LAST_STATE, RECORD, NotWhole, read_record
from sb3_ppo_variants.bench.runs.sources import changed_sources, source_hash
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.resume.file import saved_timesteps, write_members


@dataclass(frozen=True)
class Shorter:
    """A finished run that a longer one goes on from.

    :param run: its configuration
    :param folder: where it lies
    :param timesteps: of its last state, environment steps
    :param files: those that its record names
    """

    run: Run
    folder: Path
    timesteps: int
    files: tuple[str, ...]


def shorter_runs(runs: Iterable[Run], folders: Folders) -> dict[str, Shorter]:
    """The finished runs that longer ones go on from: of each the one with the most steps.

    It has to be in the folder of the same arm, made with the versions that are installed, and to have its last state.

    :param runs: that may be longer ones
    :param folders: of their study
    :return: by the identity of the longer run
    """
    beside: dict[tuple[Path, str], list[Path]] = {}
    for arm in {folders.finished(run).parent for run in runs}:
        for path in listed(arm):
            beside.setdefault((arm, path.name.rpartition("-")[0]), []).append(path)
    found = {}
    for run in runs:
        finished = folders.finished(run)
        paths = beside.get((finished.parent, finished.name.rpartition("-")[0]), [])
        usable = [shorter for path in paths if (shorter := _shorter(run, path)) is not None]
        if usable:
            found[run.identity] = max(usable, key=lambda shorter: shorter.timesteps)
    return found


def begin_with(shorter: Shorter, folder: Path) -> None:
    """Give a run that begins the last state of a shorter one as its first checkpoint.

    :param shorter: the shorter run
    :param folder: for the longer run alone; one that has a checkpoint goes on from that
    """
    if (folder / CHECKPOINT).exists():
        return
    try:
        members = _members(shorter)
    except Exception as error:  # a damaged zip raises what its bits happen to mean
        with (folder / OUTPUT).open("a", encoding="utf-8") as output:
            print(
                f"The run begins anew, because the last state of {shorter.folder} cannot be read: {error}", file=output
            )
        return
    write_members(folder / CHECKPOINT, members)


def _shorter(run: Run, folder: Path) -> Shorter | None:
    """A folder as the beginning of a longer run; None where it cannot be."""
    try:
        steps = json.loads((folder / RECORD).read_bytes())["configuration"]["total_timesteps"]
        shorter = replace(run, total_timesteps=steps)
        record = read_record(shorter, folder)
        trained = saved_timesteps(folder / LAST_STATE)
    except (OSError, ValueError, KeyError, TypeError, NotWhole):
        return None
    differs = record["provenance"]["versions"] != versions() or changed_sources(record, source_hash)
    if trained >= run.total_timesteps or differs:
        return None
    return Shorter(shorter, folder, trained, tuple(record["files"]))


def _members(shorter: Shorter) -> dict[str, bytes]:
    """The checkpoint that the last state of a run makes with the files in its folder.

    :raises NotWhole: when these are not as the run left them
    """
    read_record(shorter.run, shorter.folder, thorough=True)
    with zipfile.ZipFile(shorter.folder / LAST_STATE) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    model, own = f"{shorter.run.file_name}.zip", f"{shorter.run.file_name}/"
    members.setdefault("model.zip", (shorter.folder / model).read_bytes())
    for name in shorter.files:
        # The model and what RL Zoo reads are those of its end; the log there has a line more.
        if name != model and not name.startswith(own):
            members.setdefault(FILES + name, (shorter.folder / name).read_bytes())
    return members | {SHORTER: shorter.run.identity.encode()}
