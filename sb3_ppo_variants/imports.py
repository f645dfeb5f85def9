"""Objects by their dotted paths, and the folders in which modules are looked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

# Modules of torch, as Python code that uses them calls them.
IN_TORCH = {"nn": "torch.nn", "th": "torch"}


def import_object(path: str) -> Any:
    """Import ``package.module.name``.

    :raises ImportError: when the module or the name does not exist
    """
    module, _, name = path.rpartition(".")
    if not module:
        raise ImportError(f"{path!r} is not a dotted path such as stable_baselines3.PPO")
    try:
        return getattr(import_module(module), name)
    except AttributeError as error:
        raise ImportError(f"module {module} has no {name}") from error


def import_module(name: str) -> ModuleType:
    """Import a module; what it raises itself is passed on.

    :param name: with the packages that it is in
    :raises ImportError: when it does not exist, naming the folders that were looked in, or when it ends the process
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(_not_found(name, str(error.name)), name=error.name) from error
    except SystemExit as error:
        raise ImportError(f"module {name} ends the process when it is imported") from error


def _not_found(name: str, missing: str) -> str:
    if not f"{name}.".startswith(f"{missing}."):
        return f"module {name} imports {missing}, which is not installed"
    places = dict.fromkeys(os.path.abspath(folder) for folder in sys.path)
    own = [place for place in places if not place.startswith((sys.prefix, sys.base_prefix)) and os.path.isdir(place)]
    hint = f"; write {IN_TORCH[missing]}" if missing in IN_TORCH else ""
    return f"module {missing} is neither installed nor in {' or '.join(own)}{hint}"


def look_in(folders: Iterable[str]) -> None:
    """Let Python look for modules in more folders, after those in which it does.

    :param folders: their paths
    """
    sys.path += [folder for folder in dict.fromkeys(folders) if folder not in sys.path]


def import_folders(file: Path) -> tuple[str, ...]:
    """The folders in which modules that a file names are found: the working directory, then that of the file.

    :param file: a study, say
    """
    return (os.getcwd(), str(file.resolve().parent))
