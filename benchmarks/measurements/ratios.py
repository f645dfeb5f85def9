"""Every implementation against stock PPO: turn by turn, each in a separate process."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from benchmarks.measurements.processor import Spent
from benchmarks.measurements.progress import Step, Tick
from benchmarks.measurements.runner import PHASES, Runner, running
from benchmarks.measurements.settings import setting
from benchmarks.timing import ratio, rotated

COMPILED = ("compiled", "compiled_in_part", "compiled_on_cpu")
# Of one side on the machine of the published measurement, for the time left before anything is measured.
START_SECONDS, COMPILATION_SECONDS = 6.0, 25.0

Times = dict[str, dict[str, list[Spent]]]


def steps(chosen: str, sides: Sequence[str], repetitions: int, processes: int) -> list[Step]:
    """The steps of :func:`measure`.

    :param chosen: name of the setting
    :param sides: names of the implementations
    :param repetitions: in each process
    :param processes: how often each is started
    """
    used = setting(chosen)
    one = [
        *[Step(f"start of {side}", START_SECONDS + 3 * used.seconds) for side in sides],
        # Rollout and update, and both.
        *[Step("repetition", len(sides) * 2 * used.seconds * used.iterations)] * repetitions,
    ]
    return [Step(f"compilation of {side}", COMPILATION_SECONDS) for side in sides if side in COMPILED] + one * processes


def turns(runners: Mapping[str, Runner], phases: Sequence[str], repetitions: int, tick: Tick) -> Times:
    """Wall and CPU seconds of one iteration, by runner and phase.

    :param runners: by name
    :param phases: names of them
    :param repetitions: how often each takes its turn, at most
    :param tick: told of every repetition; ends them
    """
    found: Times = {name: {phase: [] for phase in phases} for name in runners}
    for repetition in range(repetitions):
        for phase in phases:
            for name in rotated(list(runners), repetition):
                found[name][phase].append(runners[name](phase))
        if not tick("repetition"):
            break
    return found


def speeds(times: Times) -> dict[str, Any]:
    """The first one's wall time divided by each one's, by phase, beside the seconds.

    :param times: the reference first
    """
    wall, cpu = (
        {name: {phase: [one[kind] for one in of] for phase, of in phases.items()} for name, phases in times.items()}
        for kind in (0, 1)
    )
    reference = next(iter(wall.values()))
    return {
        name: {
            "seconds": phases,
            "cpu_seconds": cpu[name],
            "speed": {phase: asdict(ratio(reference[phase], seconds)) for phase, seconds in phases.items()},
        }
        for name, phases in wall.items()
    }


def pooled(parts: Sequence[Times]) -> Times:
    """All repetitions of several processes.

    :param parts: one each; what could not be started again is left out of the last
    """
    return {
        name: {phase: [time for part in parts for time in part[name][phase]] for phase in phases}
        for name, phases in parts[-1].items()
    }


def measure(
    chosen: str,
    sides: Sequence[str],
    pythons: Mapping[str, str],
    repetitions: int,
    processes: int,
    device: str,
    tick: Tick,
) -> dict[str, Any]:
    """One setting: ratios by phase, first iterations with an empty and with a filled cache, and peak memory.

    :param chosen: name of the setting
    :param sides: names of the implementations, stock first
    :param pythons: interpreter of each implementation that is not in this one
    :param repetitions: how often each takes its turn in a process
    :param processes: how often each is started
    :param device: of torch
    :param tick: told of every step
    """
    left_out: dict[str, str] = {}
    started: dict[str, dict[str, Any]] = {}
    parts = []
    with tempfile.TemporaryDirectory() as cache:
        start = partial(_start, chosen=chosen, pythons=pythons, device=device, cache=cache)
        for side in [side for side in sides if side in COMPILED]:
            with suppress(RuntimeError), start(side) as runner:  # fills the cache
                started[side] = {"empty_cache": runner.start}
            tick(f"compilation of {side}")
        for _ in range(processes):
            with ExitStack() as stack:
                runners = started_sides(stack, start, sides, left_out, tick)
                for side, runner in runners.items():
                    started.setdefault(side, {}).setdefault("start", runner.start)
                parts.append(turns(runners, PHASES, repetitions, tick))
    found = speeds(pooled(parts))
    return {
        "setting": setting(chosen).title,
        "environments": setting(chosen).n_envs,
        "steps": setting(chosen).steps,
        "repetitions": len(found["stock"]["seconds"]["update"]),
        "processes": processes,
        "left_out": left_out,
        "sides": {side: started[side] | found[side] for side in found},
    }


def _start(
    side: str, chosen: str, pythons: Mapping[str, str], device: str, cache: str
) -> AbstractContextManager[Runner]:
    variables = {"TORCHINDUCTOR_CACHE_DIR": cache}
    return running(side, chosen, pythons.get(side, sys.executable), variables, device)


def started_sides(
    stack: ExitStack,
    start: Callable[[str], AbstractContextManager[Runner]],
    sides: Sequence[str],
    left_out: dict[str, str],
    tick: Tick,
) -> dict[str, Runner]:
    """A runner of each side that can be started.

    :param stack: that closes them
    :param start: of a side
    :param sides: names of them
    :param left_out: of those that cannot be started, which are not tried again; gets more of them, with the reason
    :param tick: told of every start
    """
    runners = {}
    for side in [side for side in sides if side not in left_out]:
        try:
            runners[side] = stack.enter_context(start(side))
        except RuntimeError as error:
            left_out[side] = str(error)
        tick(f"start of {side}")
    return runners
