"""The source of a user's own code in a run, as a hash: what it was is provenance, and shows whether it has changed."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym

from sb3_ppo_variants.bench.study.identity import PACKAGES
from sb3_ppo_variants.bench.study.parts import import_part, own_parts
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.imports import import_module, import_object
from sb3_ppo_variants.messages import counted

INSTALLED = {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
STALE = (
    "Stale runs count as they are. To make them again, give the part its next version, or the environment its next id, "
    "or remove the folders of these runs and their rows in results.csv."
)
# A module, and a name that it defines.
Place = tuple[str, str]


def sources(run: Run) -> dict[str, str]:
    """The hash of everything of the user's own that a run names: path -> hash.

    :param run: its modules are imported
    """
    listed = [*(run.env_wrapper or []), *(run.vec_env_wrapper or []), *(run.callbacks or [])]
    paths = [run.algorithm, run.policy, run.environment, *(path for item in listed for path in item)]
    found = {path: source_hash(path) for path in (*paths, *own_parts(run.arguments))}
    return {path: digest for path, digest in found.items() if digest is not None}


def changed_sources(record: Mapping[str, Any], today: Callable[[str], str | None]) -> list[str]:
    """The paths of a user's own code that is not as it was in a run; what cannot be imported is not known to differ.

    :param record: ``run.json`` of the run
    :param today: :func:`source_hash`, cached for as long as files do not change
    """
    before: dict[str, str] = record["provenance"].get("sources", {})
    return [path for path, digest in before.items() if today(path) not in (None, digest)]


def changes(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """What of a user's own code is not as it was in how many runs.

    :param records: ``run.json`` of runs
    """
    today = functools.cache(source_hash)
    counts = Counter(path for record in records for path in changed_sources(record, today))
    return [f"{path} is not as it was in {counted(count, 'run')}" for path, count in counts.items()]


def stale_lines(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say which of a user's own code is not as it was in how many runs, and what to do about it.

    :param records: ``run.json`` of runs
    """
    found = [f"stale: {change}" for change in changes(records)]
    return [*found, STALE] if found else []


def source_hash(path: str) -> str | None:
    """The hash of the source of an object: its definition, and all that this uses of the user's own modules.

    Of a module that is used as a whole, the whole file counts. Installed packages do not.

    :param path: dotted, ``module:name`` of a part, or ``module:Id`` of an environment
    :return: None for what is not the user's own, and for what cannot be imported
    """
    if "." not in path and ":" not in path:
        return None
    try:
        pieces = _pieces(_places(path))
    except Exception:  # importing a module of the user may raise anything; plan and run say it
        return None
    return hashlib.sha256("\n".join(sorted(pieces)).encode()).hexdigest()[:16] if pieces else None


def _places(path: str) -> list[Place]:
    """Where an object is defined; a record where it or its functions are."""
    module, _, name = path.rpartition(".")
    found = _found(path)
    if ":" not in path and name in _definitions(sys.modules[module]):
        return [(module, name)]
    is_record = is_dataclass(found) and not isinstance(found, type)
    functions = [value for value in vars(found).values() if callable(value)] if is_record else [found]
    return [(function.__module__, function.__qualname__.partition(".")[0]) for function in functions]


def _found(path: str) -> Any:
    module, colon, name = path.rpartition(":")
    if not colon:
        return import_object(path)
    import_module(module)
    if name not in gym.registry:
        return import_part(path)
    entry = gym.spec(name).entry_point
    return import_object(entry.replace(":", ".")) if isinstance(entry, str) else entry


def _pieces(waiting: list[Place]) -> set[str]:
    """The definitions at some places, and at all that they lead to."""
    seen: set[Place] = set()
    pieces: set[str] = set()
    while waiting:
        place = waiting.pop()
        module = sys.modules.get(place[0])
        if place in seen or module is None or not _is_own(module):
            continue
        seen.add(place)
        definitions, imported = _definitions(module), _imported(module)
        if place[1] not in definitions:
            if place[1] in imported:
                waiting.append(imported[place[1]])
            else:
                pieces.add(_text(module))
            continue
        for node in definitions[place[1]]:
            pieces.add(_source(module, node))
            waiting += [used for name in _used(node) for used in _defined(module, name, definitions, imported)]
    return pieces


def _defined(
    module: ModuleType, name: str, definitions: Mapping[str, Any], imported: Mapping[str, Place]
) -> Iterator[Place]:
    """Where a name of a module comes from."""
    value = vars(module).get(name)
    if inspect.ismodule(value):
        yield value.__name__, ""
    elif isinstance(value, type) or inspect.isfunction(value):
        yield value.__module__, value.__name__
    elif name in definitions:
        yield module.__name__, name
    elif name in imported:  # a number, or what a decorator has made of a function
        yield imported[name]


def _imported(module: ModuleType) -> dict[str, Place]:
    """The names that a module takes from others, and where from."""
    nodes = ast.parse(_text(module)).body if _is_own(module) else []
    return {
        alias.asname or alias.name: (_name_of(module, node), alias.name)
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _name_of(module: ModuleType, node: ast.ImportFrom) -> str:
    """The full name of a module that is imported from, which may be given from the package of the importing one."""
    return resolve_name(f"{'.' * node.level}{node.module or ''}", module.__package__)


def _definitions(module: ModuleType) -> dict[str, list[ast.stmt]]:
    """The statements of a module by the names that they give a value."""
    named: dict[str, list[ast.stmt]] = {}
    for node in ast.parse(_text(module)).body if _is_own(module) else []:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names = {node.name}
        else:
            names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} - _used(node)
        for name in names:
            named.setdefault(name, []).append(node)
    return named


def _used(node: ast.stmt) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}


def _source(module: ModuleType, node: ast.stmt) -> str:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(_text(module).splitlines()[first - 1 : node.end_lineno])


def _text(module: ModuleType) -> str:
    return Path(str(module.__file__)).read_text("utf-8")


def _is_own(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if file is None or module.__name__.partition(".")[0] in PACKAGES:
        return False
    return not any(Path(file).is_relative_to(folder) for folder in INSTALLED)
