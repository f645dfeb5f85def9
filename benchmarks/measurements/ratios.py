"""Every implementation against stock PPO: turn by turn, each in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import Any

from timing import interleaved, ratio

from measurements.runner import PHASES, Runner, running
from measurements.settings import setting

COMPILED = ("compiled", "compiled_on_cpu")


def compare(runners: Mapping[str, Runner], phases: Sequence[str], repetitions: int, iterations: int) -> dict[str, Any]:
    """Seconds of one iteration, by runner and phase, and the first runner's time divided by each one's.

    :param runners: the reference first
    :param phases: names of them
    :param repetitions: how often each takes its turn
    :param iterations: rollouts or updates in a turn
    """
    reference = next(iter(runners))
    found: dict[str, Any] = {name: {"seconds": {}, "speed": {}} for name in runners}
    for phase in phases:
        times = interleaved({name: partial(runner, phase) for name, runner in runners.items()}, repetitions)
        for name in runners:
            found[name]["seconds"][phase] = [round(time / iterations, 7) for time in times[name]]
            found[name]["speed"][phase] = asdict(ratio(times[reference], times[name]))
    return found


def measure(
    chosen: str,
    sides: Sequence[str],
    pythons: Mapping[str, str],
    repetitions: int,
    phases: Sequence[str] = PHASES,
    device: str = "cpu",
) -> dict[str, Any]:
    """One setting: ratios by phase, first iterations with an empty and with a filled cache, and peak memory.

    :param chosen: name of the setting
    :param sides: names of the implementations, stock first
    :param pythons: interpreter of each implementation that is not in this one
    :param repetitions: how often each takes its turn
    :param phases: names of them
    :param device: of torch
    """
    left_out: dict[str, str] = {}
    started: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        cache = stack.enter_context(tempfile.TemporaryDirectory())
        runners: dict[str, Runner] = {}
        for side in sides:
            start = partial(running, side, chosen, environment={"TORCHINDUCTOR_CACHE_DIR": cache}, device=device)
            start = partial(start, python=pythons[side]) if side in pythons else start
            try:
                if side in COMPILED:
                    with start() as runner:  # fills the cache
                        started[side] = {"empty_cache": runner.start}
                runners[side] = stack.enter_context(start())
            except RuntimeError as error:
                left_out[side] = str(error)
                print(f"  {side} is left out of {chosen}: {error}", flush=True)
                continue
            started.setdefault(side, {})["start"] = runners[side].start
        found = compare(runners, phases, repetitions, setting(chosen).iterations)
    return {
        "setting": setting(chosen).title,
        "steps": setting(chosen).steps,
        "repetitions": repetitions,
        "left_out": left_out,
        "sides": {side: started[side] | found[side] for side in found},
    }
