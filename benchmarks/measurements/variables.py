"""Stock PPO against itself with other environment variables: a second thread, memory that is given back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks.measurements.ratios import Seconds, pooled, speeds, turns
from benchmarks.measurements.runner import KEPT_MEMORY, PHASES, running
from benchmarks.measurements.settings import setting

OTHER: dict[str, Mapping[str, str | None]] = {
    "threads": {"OMP_NUM_THREADS": "2"},
    "allocator": dict.fromkeys(KEPT_MEMORY),
}


def measure(name: str, settings: Sequence[str], repetitions: int, processes: int) -> list[dict[str, Any]]:
    """One row for each setting: the time with the other variables divided by that with those of all measurements.

    :param name: of the other variables
    :param settings: names of them
    :param repetitions: how often each takes its turn in a process
    :param processes: how often each is started
    """
    rows = []
    for chosen in settings:
        seconds = pooled([_turns(chosen, OTHER[name], repetitions) for _ in range(processes)])
        rows.append(
            {"setting": setting(chosen).title}
            | {"times_as_long": speeds(seconds)["usual"]["speed"]}
            | {"processes": processes, "seconds": seconds}
        )
    return rows


def _turns(chosen: str, other: Mapping[str, str | None], repetitions: int) -> Seconds:
    with ExitStack() as stack:
        runners = {
            name: stack.enter_context(running("stock", chosen, environment=variables))
            for name, variables in (("other", other), ("usual", {}))
        }
        return turns(runners, PHASES, repetitions, setting(chosen).iterations)
