"""The file of a run that can be resumed: a zip that appears whole or not at all."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

FORMAT = 3
NEEDED = ("about.json", "model.zip", "state.pt")


def write_members(path: Path, members: dict[str, bytes]) -> None:
    """Write a file that appears whole or not at all.

    :param path: of the file
    :param members: name to content
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for name, content in members.items():
                    # A model is weights, which take most of the time and become little smaller.
                    archive.writestr(name, content, zipfile.ZIP_STORED if name.endswith(".zip") else None)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_members(path: Path) -> dict[str, bytes]:
    """Read a file of :func:`write_members`.

    :param path: of the file
    :raises FileNotFoundError: if there is no such file
    :raises ValueError: for a file of another kind, or a damaged one
    """
    if not path.is_file():
        raise FileNotFoundError(f"path={str(path)!r}: no such file")
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception as error:  # a damaged zip raises what its bits happen to mean
        raise ValueError(f"path={str(path)!r}: not a file of ResumeCallback, or a damaged one: {error}") from error
    if "data" in members:
        raise ValueError(f"path={str(path)!r}: not a file of ResumeCallback; a zip of `save` is read by `load`")
    missing = [name for name in NEEDED if name not in members]
    if missing:
        raise ValueError(f"path={str(path)!r}: not a file of ResumeCallback, or a damaged one: no {', '.join(missing)}")
    return members


def saved_timesteps(path: Path) -> int:
    """Environment steps at which a file was written, read without the rest of it.

    :param path: of the file
    :raises OSError: if it cannot be read
    :raises ValueError: if it says no such thing
    """
    try:
        with zipfile.ZipFile(path) as archive:
            steps: int = json.loads(archive.read("about.json"))["num_timesteps"]
    except OSError:
        raise
    except Exception as error:  # as in read_members
        raise ValueError(f"path={str(path)!r}: not a file of ResumeCallback, or a damaged one: {error}") from error
    return steps


def full_name(cls: type) -> str:
    """Module and name of a class.

    :param cls: the class
    """
    return f"{cls.__module__}.{cls.__qualname__}"
