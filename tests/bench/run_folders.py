"""Run folders that were never trained, and finished ones that are changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.record import files_of
from sb3_ppo_variants.bench.runs.whole import arm_folders
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.files import write
from sb3_ppo_variants.bench.table.stored import all_tables


def fill(run: Run, folder: Path, text: str = "") -> None:
    """Give a folder all files of a run with one environment, each with this text, and the record of them."""
    (folder / run.file_name).mkdir()
    names = ["evaluations.npz", "progress.csv", "evaluation_times.csv", "output.txt", "0.monitor.csv"]
    names += [f"{run.file_name}.zip", f"{run.file_name}/config.yml", f"{run.file_name}/args.yml"]
    for name in names:
        (folder / name).write_text(text)
    record = {
        "identity": run.identity,
        "configuration": {},
        "provenance": {"versions": {}, "python": "", "platform": "", "cpu": "", "git": None, "command": ""},
        "started": "",
        "finished": "",
        "wall_seconds": 1.0,
        "files": files_of(folder),
    }
    (folder / "run.json").write_text(json.dumps(record))


def as_first_runs(folder: Path) -> None:
    """Make the record of a finished run one of the first, which do not list the files."""
    record = json.loads((folder / "run.json").read_text())
    del record["files"]
    (folder / "run.json").write_text(json.dumps(record))


def leave_tables(study: Study, folders: Folders) -> None:
    """Write the tables of a study's finished runs and remove their folders."""
    write(all_tables(study.runs, folders), folders.root)
    for path in arm_folders(folders.root):
        shutil.rmtree(path)
