"""From the JSON of a measurement to its page and its figure."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.measurements import scaling
from benchmarks.measurements.tables import TABLES, render

FOLDERS = ("speed", "speed_one_cpu", "speed_cuda")
PUBLISHED = {name: Path(__file__).parents[1] / "published" / name for name in FOLDERS}
TITLES = {
    "summary": "Speed end to end, stock PPO = 1",
    "settings": "Settings",
    "ratios": "Speed as a multiple of stock PPO's",
    "where": "Milliseconds and their limit",
    "compilation": "Compilation",
    "memory": "Peak memory",
    "beside": "Beside the gradient steps",
    "threads": "Time with two threads over time with one",
    "allocator": "Time with memory that is given back over time with memory that is kept",
    "scaling": "Environment steps per second",
    "study": "A whole study",
}
# They show the limit and the CPU time, which are not measured on a GPU.
NOT_ON_GPU = ("summary", "where")
_VERSIONS = """
import json
from importlib import metadata
def find(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
found = {name: find(name) for name in ("sbx_rl", "jax", "tianshou", "rlox")}
found |= {f"{name} (other)": find(name) for name in ("torch", "gymnasium")}
print(json.dumps(found))
"""


def versions_of(python: str | None) -> dict[str, str | None]:
    """Versions in the other interpreter; of what both have, those are called other.

    :param python: path of it
    """
    if python is None:
        return {}
    answer = subprocess.run([python, "-c", _VERSIONS], check=True, capture_output=True, text=True)
    found: dict[str, str | None] = json.loads(answer.stdout)
    return found


def repetitions_of(measured: dict[str, Any]) -> str:
    """How often a setting was measured, for the page.

    :param measured: one of the ratios
    """
    processes = measured.get("processes", 1)
    return f"{measured['repetitions']} repetitions" + (f" in {processes} processes" if processes > 1 else "")


def page(found: dict[str, Any]) -> str:
    """The page beside the JSON.

    :param found: the JSON
    """
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items() if version)
    command = "python -m benchmarks.speed" + (" --device cuda --parts ratios" if "gpu" in found else "")
    counts = {repetitions_of(measured) for measured in found.get("ratios", {}).values()}
    repetitions = f"of {' or '.join(sorted(counts))} " if counts else ""
    lines = ["# Speed", "", f"Made by `{command}`; medians {repetitions}with quartiles.", ""]
    gpu = f"{found['gpu']} with " if "gpu" in found else ""
    place = "one thread, every process on the same CPU" if found.get("pinned") else "one thread"
    lines += [f"{gpu}{found['cpu']}, {place}. {versions}.", ""]
    for name, title in TITLES.items():
        if found.get(TABLES[name][0]) and not ("gpu" in found and name in NOT_ON_GPU):
            lines += [f"## {title}", "", render(name, found), ""]
            lines += ["![scaling](figures/scaling.svg)", ""] if name == "scaling" else []
    entries = [entry for part in ("ratios", "scaling") for entry in found.get(part, {}).values()]
    left_out = {f"{name}: {why}" for entry in entries for name, why in entry["left_out"].items()}
    lines += [f"Left out: {reason}" for reason in sorted(left_out)]
    return "\n".join(lines).rstrip() + "\n"


def publish(found: dict[str, Any], folder: Path) -> str:
    """Write the page and the figure.

    :param found: the JSON
    :param folder: of it
    :return: the page
    """
    text = page(found)
    (folder / "README.md").write_text(text)
    if "scaling" in found:
        (folder / "figures").mkdir(exist_ok=True)
        scaling.draw(scaling.rows(found), folder / "figures/scaling.svg")
    return text


def published(name: str) -> dict[str, Any]:
    """The JSON of a published measurement, empty before there is one.

    :param name: of its folder
    """
    file = PUBLISHED[name] / "speed.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found
