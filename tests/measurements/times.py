"""Times of a side that a test makes up."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measurements.processor import Spent
from benchmarks.measurements.runner import PHASES


def times(wall: Sequence[float], cpu: Sequence[float], phases: Sequence[str] = PHASES) -> dict[str, list[Spent]]:
    """The same in all phases.

    :param wall: seconds, one for each repetition
    :param cpu: seconds, one for each repetition
    :param phases: names of them
    """
    return {phase: [Spent(*one) for one in zip(wall, cpu, strict=True)] for phase in phases}
