"""Where a run was made: versions, commit, machine, command."""

from __future__ import annotations

import functools
import json
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import sb3_ppo_variants

PACKAGES = ("stable_baselines3", "torch", "gymnasium", "numpy", "sb3_ppo_variants")


class MixedVersions(Exception):
    """Finished runs of one study were made with different versions of a package that can change results."""


def versions() -> dict[str, str | None]:
    """Versions of the packages that can change a result; runs are compared only when they agree."""
    return {name: _version(name) for name in PACKAGES}


def provenance(command: str, vec_env: str = "dummy", sources: dict[str, str] | None = None) -> dict[str, Any]:
    """Everything about the place and the code of a run that is not part of its configuration.

    :param command: command line of the study
    :param vec_env: that of the run; the version of EnvPool is of interest with ``"envpool"`` alone
    :param sources: hashes of the user's own code in it
    """
    return {
        "versions": versions(),
        "sb3_contrib": _version("sb3_contrib"),
        **({"envpool": _version("envpool")} if vec_env == "envpool" else {}),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu(),
        "git": git(),
        "command": command,
        **({"sources": sources} if sources else {}),
    }


def distinct(items: Iterable[Any]) -> list[Any]:
    """Different values among JSON-able items, in the order of their first appearance."""
    return list({json.dumps(item, sort_keys=True): item for item in items}.values())


def describe_versions(different: list[dict[str, str | None]]) -> str:
    """Name the packages whose versions differ, each with the versions found."""
    lines = []
    for name in different[0]:
        installed = distinct(versions_of.get(name) for versions_of in different)
        if len(installed) > 1:
            lines.append(f"{name}: {', '.join(map(str, installed))}")
    return "; ".join(lines)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def cpu() -> str:
    """Model name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


@functools.cache
def git() -> dict[str, Any] | None:
    """Commit of the package's own checkout and whether its sources differ from it; None outside a checkout."""
    package = Path(sb3_ppo_variants.__file__).parent
    # An installed copy may lie inside some other project's checkout: only a tracked package counts.
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(package, "rev-parse", "HEAD")
    changes = _git(package, "status", "--porcelain", "--", ".")
    return {"commit": commit, "dirty": bool(changes)} if commit else None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
