"""Stock PPO against itself with other environment variables: a second thread, memory that is given back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from benchmarks.measurements.progress import Step, Tick
from benchmarks.measurements.ratios import START_SECONDS, Times, pooled, speeds, turns
from benchmarks.measurements.runner import KEPT_MEMORY, PHASES, running
from benchmarks.measurements.settings import setting

OTHER: dict[str, Mapping[str, str | None]] = {
    "threads": {"OMP_NUM_THREADS": "2"},
    "allocator": dict.fromkeys(KEPT_MEMORY),
}
# What memory costs differs from process to process.
PROCESSES = {"threads": 1, "allocator": 2}


def steps(name: str, chosen: str, repetitions: int) -> list[Step]:
    """The steps of :func:`measure`.

    :param name: of the other variables
    :param chosen: name of the setting
    :param repetitions: in each process
    """
    used = setting(chosen)
    one = [Step("start", 2 * (START_SECONDS + 3 * used.seconds))]
    return (one + [Step("repetition", 2 * 2 * used.seconds * used.iterations)] * repetitions) * PROCESSES[name]


def measure(name: str, chosen: str, repetitions: int, tick: Tick) -> dict[str, Any]:
    """The time with the other variables divided by that with those of all measurements.

    :param name: of the other variables
    :param chosen: name of the setting
    :param repetitions: how often each takes its turn in a process
    :param tick: told of every step
    """
    times = pooled([_turns(chosen, OTHER[name], repetitions, tick) for _ in range(PROCESSES[name])])
    found = speeds(times)
    return {
        "setting": setting(chosen).title,
        "times_as_long": found["usual"]["speed"],
        "processes": PROCESSES[name],
        "seconds": {side: of["seconds"] for side, of in found.items()},
    }


def _turns(chosen: str, other: Mapping[str, str | None], repetitions: int, tick: Tick) -> Times:
    with ExitStack() as stack:
        runners = {
            name: stack.enter_context(running("stock", chosen, environment=variables))
            for name, variables in (("other", other), ("usual", {}))
        }
        tick("start")
        return turns(runners, PHASES, repetitions, tick)
