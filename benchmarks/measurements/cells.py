"""What the cells of the speed tables say of a side: its speed, its time, its limit, and whether it waited."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.measurements.sides import SIDES
from benchmarks.timing import ratio

Found = dict[str, Any]
# Wall and CPU time of a process that has one CPU for itself differ by less.
DIFFERENCE = 0.05
MARK = "†"
EXPLANATION = (
    f"{MARK} Wall and CPU time differ by more than {100 * DIFFERENCE:.0f} % in a phase: "
    "the process worked on more than one CPU, or it waited."
)


def spread(speed: dict[str, float]) -> str:
    """Median and quartiles.

    :param speed: of a side in a phase
    """
    return f"{speed['median']:.2f} ({speed['low']:.2f} to {speed['high']:.2f})"


def middle(side: Found, phase: str) -> float:
    """Median seconds of one iteration.

    :param side: what was found of it
    :param phase: name of it
    """
    return float(np.median(side["seconds"][phase]))


def busy(side: Found) -> float | None:
    """CPU time over wall time in the phase where they differ most; None where it says nothing, as on a GPU.

    :param side: what was found of it
    """
    if "cpu_seconds" not in side:
        return None
    shares: list[float] = [sum(side["cpu_seconds"][phase]) / sum(seconds) for phase, seconds in side["seconds"].items()]
    return max(shares, key=lambda share: abs(share - 1.0))


def name_of(side: str, found: Found, of: Found) -> str:
    """Title of a side, with a mark where wall and CPU time differ.

    :param side: name of it
    :param found: the JSON
    :param of: what was found of it
    """
    return SIDES[side].title + marked(found, of)


def marked(found: Found, of: Found) -> str:
    """The mark of a side whose wall and CPU time differ by more than 5 %, else nothing.

    :param found: the JSON
    :param of: what was found of the side
    """
    share = busy(of)
    # A process that waits for a GPU may do so with or without work.
    return f" {MARK}" if share is not None and "gpu" not in found and abs(share - 1.0) > DIFFERENCE else ""


def explained(text: str) -> str:
    """A table, with what the mark in it means.

    :param text: the table
    """
    return f"{text}\n\n{EXPLANATION}" if MARK in text else text


def share(measured: Found, side: str, phase: str) -> str:
    """How much of a phase is its limit: the time of environment and matrix products alone over that of the side.

    :param measured: a setting
    :param side: name of the side
    :param phase: name of it
    """
    limit = measured["sides"].get(SIDES[side].limit)
    if limit is None:
        return "-"
    return f"{100 * ratio(limit['seconds'][phase], measured['sides'][side]['seconds'][phase]).median:.0f} %"
