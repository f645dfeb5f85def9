"""Whether the runs of a study can be kept in its folder, before the first of them is made."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sb3_ppo_variants.bench.runs.folders import Folders, label
from sb3_ppo_variants.bench.study.run import Run


class NotWritable(Exception):
    """Runs could not be kept; the message says why."""


def check_writable(runs: Sequence[Run], folders: Folders) -> None:
    """Make the folder of a study, and check that its runs can be kept there.

    :param runs: of the study, at least one
    :param folders: its folders
    :raises NotWritable: when nothing can be written there, a name is too long, or an arm is on another disk
    """
    try:
        folders.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folders.root):
            pass
    except OSError as error:
        raise NotWritable(f"--results: nothing can be written to {folders.root}: {error}") from error
    longest = max(runs, key=lambda run: len(label(run)))
    name, most = folders.partial(longest).name, os.pathconf(folders.root, "PC_NAME_MAX")
    if len(name) > most:
        raise NotWritable(f"arms.{longest.arm}: its folder {name} has {len(name)} letters, {most} at most")
    places = {path(run).parent for run in runs for path in (folders.finished, folders.failed, folders.partial)}
    for folder in sorted(filter(Path.is_dir, places)):
        # A run becomes a finished one by a rename.
        if folder.stat().st_dev != folders.root.stat().st_dev:
            raise NotWritable(f"{folder} is on another disk than {folders.root}; link that as a whole instead")
