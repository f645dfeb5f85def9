"""``run.json``: what a finished run says of itself, and whether its folder is as that says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, FiniteFloat, NonNegativeInt, ValidationError

from sb3_ppo_variants.bench.runs.evaluation import INFOS_FILE, TIMES_FILE
from sb3_ppo_variants.bench.study.run import Run

RECORD = "run.json"
# Where a longer run begins. No number comes from it, so that it may be removed.
LAST_STATE = "last_state.zip"
# Where a run that was interrupted goes on; there is none in a finished run.
CHECKPOINT = "checkpoint.zip"
# The files that numbers come from. The first runs were made before times were kept.
PROGRESS = "progress.csv"
NUMBERS = ("evaluations.npz", PROGRESS, TIMES_FILE)
FIRST_NUMBERS = NUMBERS[:2]
CHECKED = (*NUMBERS, INFOS_FILE)


class NotWhole(Exception):
    """Why a folder holds no whole run."""


class _File(BaseModel):
    bytes: NonNegativeInt
    sha256: str


class _Provenance(BaseModel):
    versions: dict[str, str | None]
    python: str
    platform: str
    cpu: str
    git: dict[str, Any] | None
    command: str
    sources: dict[str, str] = {}


class _Resumed(BaseModel):
    timesteps: NonNegativeInt
    differs: str | None


class _Continued(BaseModel):
    parent: str = Field(alias="from")
    timesteps: NonNegativeInt
    differs: str | None


class _Ended(BaseModel):
    timesteps: NonNegativeInt
    callback: str | None


class _Record(BaseModel):
    identity: str
    configuration: dict[str, Any]
    provenance: _Provenance
    started: str
    finished: str
    wall_seconds: FiniteFloat
    resumed: list[_Resumed] = []
    continued: _Continued | None = None
    ended: _Ended | None = None
    files: dict[str, _File] | None = None


def files_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Sizes and checksums of the files of a run, as ``run.json`` keeps them."""
    without = (RECORD, LAST_STATE, CHECKPOINT)
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in without)
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _checksum(path)} for path in paths
    }


def read_record(run: Run, folder: Path, thorough: bool = False) -> dict[str, Any]:
    """Read the ``run.json`` of a finished run, and check that its folder is as that says.

    All files must be there with their sizes; those that numbers come from must have their checksums.

    :param thorough: whether all files must have their checksums, as where the model is used
    :raises NotWhole: with the reason, when the folder does not hold this run or not all of it
    """
    record = read_record_of(folder, _required(run), thorough)
    if record["identity"] != run.identity:
        raise NotWhole(f"{RECORD} is that of another run, {record['identity']}")
    return record


def read_record_of(folder: Path, required: Iterable[str] = (), thorough: bool = False) -> dict[str, Any]:
    """Do the same for a run that is known by its folder alone.

    :param folder: that it left
    :param required: files that it has to have besides those that its ``run.json`` lists, if it lists any
    :param thorough: as of :func:`read_record`
    :raises NotWhole: with the reason, when the folder does not hold all of a run
    """
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_bytes())
    except OSError as error:
        raise NotWhole(f"{RECORD} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise NotWhole(f"{RECORD} is not JSON") from error
    files = check_record(record)
    for name in FIRST_NUMBERS if files is None else dict.fromkeys([*required, *files]):
        if not (folder / name).is_file():
            raise NotWhole(f"{name} is missing")
    for name, file in (files or {}).items():
        path = folder / name
        if path.stat().st_size != file.bytes or ((thorough or name in CHECKED) and _checksum(path) != file.sha256):
            raise NotWhole(f"{name} is not as the run left it")
    return record


def trained_steps(run: Run, record: dict[str, Any]) -> int:
    """Environment steps that a finished run was to have, or those at which a callback ended it before.

    :param run: the run
    :param record: its ``run.json``
    """
    steps: int = record["ended"]["timesteps"] if record.get("ended") else run.total_timesteps
    return steps


def _required(run: Run) -> list[str]:
    zoo = [f"{run.file_name}.zip", *(f"{run.file_name}/{name}" for name in ("config.yml", "args.yml"))]
    normalized = [] if run.normalize is None else [f"{run.file_name}/vecnormalize.pkl"]
    # EnvPool's environments have one together.
    monitors = 1 if run.vec_env == "envpool" else run.n_envs
    return [*NUMBERS, "output.txt", *zoo, *normalized, *(f"{number}.monitor.csv" for number in range(monitors))]


def check_record(record: Any) -> dict[str, _File] | None:
    """Check that a record says all that a report shows, and return the files that it lists; None in an old one.

    :raises NotWhole: when something is missing or of the wrong kind
    """
    try:
        return _Record.model_validate(record).files
    except ValidationError as error:
        places = [".".join(map(str, detail["loc"])) for detail in error.errors()]
        raise NotWhole(f"{RECORD} is damaged: {', '.join(places) or 'no mapping'}") from error


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
