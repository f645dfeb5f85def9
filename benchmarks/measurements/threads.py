"""Two torch threads against one, for the same implementation."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from measurements.ratios import speeds, turns
from measurements.runner import PHASES, running
from measurements.settings import setting
from measurements.sides import SIDES

MEASURED = ("stock",)


def measure(settings: list[str], repetitions: int) -> list[dict[str, Any]]:
    """One row for each setting and implementation: the time of two threads divided by that of one.

    :param settings: names of them
    :param repetitions: how often each takes its turn
    """
    rows = []
    for chosen in settings:
        for side in MEASURED:
            with ExitStack() as stack:
                runners = {
                    threads: stack.enter_context(running(side, chosen, environment={"OMP_NUM_THREADS": threads}))
                    for threads in ("2", "1")
                }
                found = speeds(turns(runners, PHASES, repetitions, setting(chosen).iterations))
            rows.append(
                {"setting": setting(chosen).title, "side": SIDES[side].title}
                | {"two_over_one": found["1"]["speed"]}
                | {"seconds": {threads: found[threads]["seconds"] for threads in found}}
            )
    return rows
