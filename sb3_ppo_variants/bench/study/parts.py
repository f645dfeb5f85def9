"""The parts of a run that are a user's own, by the paths at which its arguments name them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sb3_ppo_variants.imports import import_module, import_object
from sb3_ppo_variants.own_parts import REGISTERED, version_of


def own_parts(arguments: Mapping[str, Any]) -> list[str]:
    """The dotted paths, and ``module:name``, of terms, regularizers, hooks, rules and stops.

    :param arguments: of the constructor of an algorithm
    """
    return sorted({path for path in _named(arguments) if isinstance(path, str) and ("." in path or ":" in path)})


def _named(arguments: Mapping[str, Any]) -> Iterator[Any]:
    for name in ("objective", "regularizers", "hooks"):
        parts = arguments.get(name)
        yield from parts if isinstance(parts, list) else [parts]
    for name in ("adapt", "stop"):
        parts = arguments.get(name)
        if isinstance(parts, Mapping):
            yield from (
                parts if name == "stop" else (rule.get("rule") for rule in parts.values() if isinstance(rule, Mapping))
            )


def import_part(path: str) -> Any:
    """A part as its module has it.

    :param path: dotted, or ``module:name``
    :raises ImportError: when there is none
    """
    module, colon, name = path.rpartition(":")
    if not colon:
        return import_object(path)
    import_module(module)
    for records in REGISTERED.values():
        if name in records:
            return records[name]
    raise ImportError(f"importing {module} does not register {name}")


def missing_parts(arguments: Mapping[str, Any]) -> list[str]:
    """What cannot be imported of the own parts, and why.

    :param arguments: of the constructor of an algorithm
    """
    missing = []
    for path in own_parts(arguments):
        try:
            import_part(path)
        except Exception as error:  # importing a module of the user may raise anything
            missing.append(f"{path}: {type(error).__name__}: {error}")
    return missing


def part_versions(arguments: Mapping[str, Any]) -> dict[str, str | int]:
    """The versions of the own parts that have one; those that cannot be imported have none.

    :param arguments: of the constructor of an algorithm
    """
    versions = {path: _version(path) for path in own_parts(arguments)}
    return {path: version for path, version in versions.items() if version is not None}


def _version(path: str) -> str | int | None:
    try:
        return version_of(import_part(path))
    except Exception:  # importing a module of the user may raise anything; plan and run say it
        return None
