"""The tables of the published measurement and of docs/speed.md, from its JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from benchmarks.measurements.sides import OTHERS, SIDES

Found = dict[str, Any]
NOT_MEASURED = "Not measured yet."
# How the runs of a study are made.
WAYS = {
    "scripts": "a script of SB3's PPO per run",
    "scripts_one_thread": "the same with `OMP_NUM_THREADS=1`",
    "harness": "`ppo-bench run`, the same runs",
    "harness_half_compiled": "`ppo-bench run`, half of the runs VariantPPO compiled, with its compilation",
}


def table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in markdown.

    :param heading: of its columns
    :param rows: of cells
    """
    heading = list(heading)
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(speed: dict[str, float]) -> str:
    """Median and quartiles.

    :param speed: of a side in a phase
    """
    return f"{speed['median']:.2f} ({speed['low']:.2f} to {speed['high']:.2f})"


def middle(side: dict[str, Any], phase: str) -> float:
    """Median seconds of one iteration.

    :param side: what was found of it
    :param phase: name of it
    """
    return float(np.median(side["seconds"][phase]))


def _sides(found: Found, chosen: Callable[[str], bool] = lambda side: True) -> Iterable[tuple[Found, str, Found]]:
    for measured in found.get("ratios", {}).values():
        yield from ((measured, side, of) for side, of in measured["sides"].items() if chosen(side))


def ratios(found: Found) -> str:
    """Speed of every implementation as a multiple of stock PPO's.

    :param found: the JSON
    """
    return table(
        ["setting", "implementation", "rollout", "update", "end to end"],
        (
            [measured["setting"], SIDES[side].title]
            + [spread(of["speed"][phase]) for phase in ("rollout", "update", "end_to_end")]
            for measured, side, of in _sides(found)
        ),
    )


def payback(measured: Found, start: Found) -> str:
    """Environment steps after which the compiled loop is ahead of stock PPO.

    :param measured: a setting
    :param start: the first iterations of a compiled model
    """
    first, *later = start["first"]
    gain = middle(measured["sides"]["stock"], "end_to_end") - middle(measured["sides"]["compiled"], "end_to_end")
    if gain <= 0:
        return "never"
    return f"{(first - min(later)) / gain * measured['steps']:,.0f}"


def compilation(found: Found) -> str:
    """The cost of the first iteration, and the steps that pay it back.

    :param found: the JSON
    """
    rows = []
    for measured, _, of in _sides(found, lambda side: side == "compiled"):
        for cache, start in (("empty", of["empty_cache"]), ("filled", of["start"])):
            first, *later = start["first"]
            extra = f"{first - min(later):.1f}"
            rows.append([measured["setting"], cache, extra, payback(measured, start)])
    return table(["setting", "cache", "compilation, s", "environment steps until stock PPO is overtaken"], rows)


def memory(found: Found) -> str:
    """Peak memory of a fresh process after three iterations.

    :param found: the JSON
    """
    rows = []
    for measured, side, of in _sides(found):
        stock = measured["sides"]["stock"]["start"]["peak_mib"]
        peak = of["start"]["peak_mib"]
        rows.append([measured["setting"], SIDES[side].title, f"{peak:.0f}", f"{peak / stock:.2f}"])
    return table(["setting", "implementation", "peak, MiB", "over stock PPO"], rows)


def where(found: Found) -> str:
    """Milliseconds of one iteration and its floor.

    :param found: the JSON
    """
    rows = []
    for limit in found["limits"]:
        for part, floor in (("rollout", "environment alone"), ("update", "matrix products alone")):
            for measured, side, of in _sides(
                found, lambda side: side in ("stock", "eager", "compiled", "single_file", *OTHERS)
            ):
                if measured["setting"] == limit["setting"]:
                    rows.append([limit["setting"], part, SIDES[side].title, f"{1e3 * middle(of, part):.1f}"])
            rows.append([limit["setting"], part, floor, f"{1e3 * limit[f'{part}_seconds']:.1f}"])
    return table(["setting", "part", "of", "ms in one iteration"], rows)


def environments(found: Found) -> str:
    """Steps that one bare environment does in a second.

    :param found: the JSON
    """
    return table(
        ["setting", "steps per second"],
        ([limit["setting"], f"{limit['steps_per_second']:,.0f}"] for limit in found["limits"]),
    )


def threads(found: Found) -> str:
    """Time with two threads over time with one.

    :param found: the JSON
    """
    return _times_as_long(found["threads"])


def allocator(found: Found) -> str:
    """Time with memory that is given back over time with memory that is kept.

    :param found: the JSON
    """
    return _times_as_long(found["allocator"])


def _times_as_long(rows: Iterable[Mapping[str, Any]]) -> str:
    phases = ("rollout", "update", "end_to_end")
    return table(
        ["setting", "rollout", "update", "end to end"],
        ([row["setting"]] + [spread(row["times_as_long"][phase]) for phase in phases] for row in rows),
    )


def beside(found: Found) -> str:
    """Work of VariantPPO's update besides its gradient steps.

    :param found: the JSON
    """
    parts = ("update", "copy", "tensors", "pass_for_kl")
    return table(
        ["setting", "whole update, ms", "copy for a restore", "rollout as tensors", "a pass for the exact KL"],
        ([row["setting"]] + [f"{1e3 * row[f'{part}_seconds']:.2f}" for part in parts] for row in found["beside"]),
    )


def scaling(found: Found) -> str:
    """Speed as a multiple of stock PPO's at each point.

    :param found: the JSON
    """
    return table(
        ["environments", "minibatch", "width", "implementation", "update", "end to end"],
        (
            [str(row[axis]) for axis in ("environments", "minibatch", "width")]
            + [SIDES[side].title]
            + [spread(of["speed"][phase]) for phase in ("update", "end_to_end")]
            for row in found["scaling"]
            for side, of in row["sides"].items()
        ),
    )


def study(found: Found) -> str:
    """Seconds of a whole study, and the plain scripts' divided by them.

    :param found: the JSON
    """
    measured = found["study"]
    return table(
        [f"{measured['runs']} runs of {measured['steps']:,} steps, two at a time", "seconds", "speed"],
        (
            [WAYS[side], f"{np.median(of['seconds']):.0f}", f"{of['speed']['median']:.1f}"]
            for side, of in measured["sides"].items()
        ),
    )


TABLES: dict[str, tuple[str, Callable[[Found], str]]] = {
    "ratios": ("ratios", ratios),
    "compilation": ("ratios", compilation),
    "memory": ("ratios", memory),
    "where": ("limits", where),
    "environments": ("limits", environments),
    "threads": ("threads", threads),
    "allocator": ("allocator", allocator),
    "beside": ("beside", beside),
    "scaling": ("scaling", scaling),
    "study": ("study", study),
}


def render(name: str, found: Found) -> str:
    """A table, or the words that say that its part was not measured.

    :param name: of the table
    :param found: the JSON; empty before there is one
    """
    part, make = TABLES[name]
    return make(found) if found.get(part) else NOT_MEASURED
