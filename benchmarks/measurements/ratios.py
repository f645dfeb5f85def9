"""Every implementation against stock PPO: turn by turn, each in a separate process."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from benchmarks.measurements.runner import PHASES, Runner, running
from benchmarks.measurements.settings import setting
from benchmarks.timing import interleaved, ratio

COMPILED = ("compiled", "compiled_on_cpu")


Seconds = dict[str, dict[str, list[float]]]


def turns(runners: Mapping[str, Runner], phases: Sequence[str], repetitions: int, iterations: int) -> Seconds:
    """Seconds of one iteration, by runner and phase.

    :param runners: by name
    :param phases: names of them
    :param repetitions: how often each takes its turn
    :param iterations: rollouts or updates in a turn
    """
    found: Seconds = {name: {} for name in runners}
    for phase in phases:
        times = interleaved({name: partial(runner, phase) for name, runner in runners.items()}, repetitions)
        for name in runners:
            found[name][phase] = [round(time / iterations, 7) for time in times[name]]
    return found


def speeds(seconds: Seconds) -> dict[str, Any]:
    """The first one's time divided by each one's, by phase, beside the seconds.

    :param seconds: the reference first
    """
    reference = next(iter(seconds.values()))
    return {
        name: {
            "seconds": phases,
            "speed": {phase: asdict(ratio(reference[phase], times)) for phase, times in phases.items()},
        }
        for name, phases in seconds.items()
    }


def pooled(parts: Sequence[Seconds]) -> Seconds:
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
    phases: Sequence[str] = PHASES,
    device: str = "cpu",
    processes: int = 1,
) -> dict[str, Any]:
    """One setting: ratios by phase, first iterations with an empty and with a filled cache, and peak memory.

    :param chosen: name of the setting
    :param sides: names of the implementations, stock first
    :param pythons: interpreter of each implementation that is not in this one
    :param repetitions: how often each takes its turn in a process
    :param phases: names of them
    :param device: of torch
    :param processes: how often each is started
    """
    left_out: dict[str, str] = {}
    started: dict[str, dict[str, Any]] = {}
    parts = []
    with tempfile.TemporaryDirectory() as cache:
        start = partial(_start, chosen=chosen, pythons=pythons, device=device, cache=cache)
        for side in set(sides) & set(COMPILED):
            with suppress(RuntimeError), start(side) as runner:  # fills the cache
                started[side] = {"empty_cache": runner.start}
        for _ in range(processes):
            with ExitStack() as stack:
                runners = _runners(stack, start, sides, left_out)
                for side, runner in runners.items():
                    started.setdefault(side, {}).setdefault("start", runner.start)
                parts.append(turns(runners, phases, repetitions, setting(chosen).iterations))
    found = speeds(pooled(parts))
    return {
        "setting": setting(chosen).title,
        "steps": setting(chosen).steps,
        "repetitions": repetitions * processes,
        "processes": processes,
        "left_out": left_out,
        "sides": {side: started[side] | found[side] for side in found},
    }


def _start(
    side: str, chosen: str, pythons: Mapping[str, str], device: str, cache: str
) -> AbstractContextManager[Runner]:
    variables = {"TORCHINDUCTOR_CACHE_DIR": cache}
    return running(side, chosen, pythons.get(side, sys.executable), variables, device)


def _runners(
    stack: ExitStack, start: Callable[[str], AbstractContextManager[Runner]], sides: Sequence[str], out: dict[str, str]
) -> dict[str, Runner]:
    """Those that can be started; why another cannot is noted in ``out``, and it is not tried again."""
    runners = {}
    for side in [side for side in sides if side not in out]:
        try:
            runners[side] = stack.enter_context(start(side))
        except RuntimeError as error:
            out[side] = str(error)
            print(f"  {side} is left out: {error}", flush=True)
    return runners
