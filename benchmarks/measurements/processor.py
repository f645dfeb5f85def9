"""One CPU for every process, and the CPU time of a call in all processes that worked on it.

This module needs the standard library only, so that an interpreter with another implementation can import it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

CAN_PIN = hasattr(os, "sched_setaffinity")


class Spent(NamedTuple):
    """Seconds of a call.

    :param wall: by the clock
    :param cpu: of all threads and of the processes below this one
    """

    wall: float
    cpu: float

    def __truediv__(self, times: int) -> Spent:
        """Of one of several equal calls, to a tenth of a microsecond.

        :param times: how many there were
        """
        return Spent(round(self.wall / times, 7), round(self.cpu / times, 7))


@contextmanager
def pinned() -> Iterator[None]:
    """Keep this thread, and every process that it starts, on one CPU until the end of the block.

    It does nothing on a system that cannot, such as macOS: see ``CAN_PIN``.
    """
    if not CAN_PIN:
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def spent(function: Callable[[], Any]) -> Spent:
    """Wall and CPU time of one call.

    :param function: to be called
    """
    before, own, start = clocks(), time.process_time(), time.perf_counter()
    function()
    wall, own = time.perf_counter() - start, time.process_time() - own
    return Spent(wall, own + sum(now - before.get(pid, 0.0) for pid, now in clocks().items()))


def clocks() -> dict[int, float]:
    """CPU seconds of each process below this one so far, by its id; empty where the system is not Linux."""
    found = {}
    for pid in _below("self"):
        try:
            # A process has a clock whose number the kernel makes of its id: MAKE_PROCESS_CPUCLOCK.
            found[pid] = time.clock_gettime((~pid << 3) | 2)
        except OSError:
            continue  # it has ended
    return found


def _below(process: str) -> Iterator[int]:
    for thread in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = thread.read_text().split()
        except OSError:
            continue
        for child in children:
            yield int(child)
            yield from _below(child)
