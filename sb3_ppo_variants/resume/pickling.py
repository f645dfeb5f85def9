"""Objects as bytes, with all of their state: what stock pickling leaves out is put in."""

from __future__ import annotations

import copyreg
import inspect
import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
from gymnasium.utils import EzPickle
from stable_baselines3.common.monitor import ResultsWriter
from stable_baselines3.common.vec_env.base_vec_env import VecEnvWrapper


def pickled(obj: Any, folder: Path, parts: Mapping[str, Any], with_files: bool = False) -> bytes:
    """An object as bytes, with all of its state.

    :param obj: an environment, or what holds some
    :param folder: the files of Monitor below it are found again below the folder that the bytes are read in
    :param parts: what is not among the bytes, by name
    :param with_files: whether the bytes have the content of these files too
    """
    buffer = io.BytesIO()
    _StatePickler(buffer, folder, parts, with_files).dump(obj)
    return buffer.getvalue()


def unpickled(content: bytes, folder: Path, parts: Mapping[str, Any]) -> Any:
    """What :func:`pickled` made bytes of. Files of Monitor are as they were then, and appended to.

    :param content: the bytes
    :param folder: of the files of Monitor
    :param parts: what was not among the bytes, by name
    """
    return _StateUnpickler(io.BytesIO(content), folder, parts).load()


class _StatePickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles the whole state of some objects whose own way of being pickled leaves it out or fails.

    :param file: to write to
    :param folder: the files of Monitor below it are found again below the folder that the bytes are read in
    :param parts: what is not part of the pickle, by name
    :param with_files: whether the content of these files is
    """

    def __init__(self, file: io.BytesIO, folder: Path, parts: Mapping[str, Any], with_files: bool) -> None:
        super().__init__(file)
        self._folder, self._with_files = folder.resolve(), with_files
        self._names = {id(part): name for name, part in parts.items()}

    def persistent_id(self, obj: Any) -> str | tuple[Any, ...] | None:
        """The name of a part; of a file of Monitor its path, its columns beside Monitor's, its size and its content."""
        if isinstance(obj, ResultsWriter):
            path = Path(obj.file_handler.name)
            size = path.stat().st_size if path.exists() else 0
            content = path.read_bytes() if size and self._with_files else None
            path = path.relative_to(self._folder) if path.is_relative_to(self._folder) else path
            return str(path), tuple(obj.logger.fieldnames)[3:], size, content
        return self._names.get(id(obj))

    def reducer_override(self, obj: Any) -> Any:
        # Gymnasium's MuJoCo environments would be built anew, VecNormalize would lose its environment and its returns.
        if isinstance(obj, (EzPickle, VecEnvWrapper)):
            state = {name: value for name, value in vars(obj).items() if name != "class_attributes"}
            return copyreg.__newobj__, (type(obj),), state, None, None, _set_state  # type: ignore[attr-defined]
        return super().reducer_override(obj)


class _StateUnpickler(pickle.Unpickler):
    """Reads what :class:`_StatePickler` has written.

    :param file: to read from
    :param folder: of the files of Monitor
    :param parts: what was not part of the pickle, by name
    """

    def __init__(self, file: io.BytesIO, folder: Path, parts: Mapping[str, Any]) -> None:
        super().__init__(file)
        self._folder, self._parts = folder, parts

    def persistent_load(self, pid: str | tuple[Any, ...]) -> Any:
        """The part with this name, or the file of a Monitor."""
        if isinstance(pid, str):
            return self._parts[pid]
        name, *rest = pid
        return _reopened(self._folder / name, *rest)


def _set_state(target: Any, state: dict[str, Any]) -> None:
    vars(target).update(state)
    if isinstance(target, VecEnvWrapper):
        target.class_attributes = dict(inspect.getmembers(type(target)))


def _reopened(path: Path, extra_keys: tuple[str, ...], size: int, content: bytes | None) -> ResultsWriter:
    """The file of a Monitor, without what was written to it later."""
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    exists = path.exists()
    if exists and path.stat().st_size > size:
        os.truncate(path, size)
    return ResultsWriter(str(path), extra_keys=extra_keys, override_existing=not exists)
