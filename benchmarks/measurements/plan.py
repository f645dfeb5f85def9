"""What a command measures: one task for each part and setting, with the steps that progress is counted in."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measurements import beside, ratios, scaling, study, variables
from benchmarks.measurements.processor import pinned
from benchmarks.measurements.progress import Step, Tick
from benchmarks.measurements.settings import LEADING
from benchmarks.measurements.sides import OTHERS, sides_in

PARTS = ("ratios", "scaling", "beside", "threads", "allocator", "study")
DEFAULT_PARTS = PARTS[:-1]
# Parts that are about more than one CPU.
UNPINNED = ("threads", "study")


@dataclass(frozen=True)
class Task:
    """What is measured for one entry of the JSON.

    :param part: name of it
    :param name: of the setting
    :param steps: that its progress is counted in
    :param function: that measures, with the function to be told of every step
    """

    part: str
    name: str
    steps: Sequence[Step]
    function: Callable[[Tick], dict[str, Any]]

    @property
    def title(self) -> str:
        """Part and setting."""
        return f"{self.part} {self.name}"

    def measure(self, tick: Tick) -> dict[str, Any]:
        """Measure on one CPU, unless the part is about more.

        :param tick: to be told of every step
        """
        with nullcontext() if self.part in UNPINNED else pinned():
            return self.function(tick)


def sides_of(name: str, options: argparse.Namespace) -> list[str]:
    """The sides that the command asks for in a setting, stock first.

    :param name: letter of the setting
    :param options: of the command line
    """
    chosen = options.sides or [side for side in sides_in(name) if side not in OTHERS]
    if options.device != "cpu":
        # Nothing waits for a GPU between two products.
        chosen = [side for side in chosen if not side.startswith("limit")]
    others = [side for side in sides_in(name) if side in OTHERS and options.other]
    return list(dict.fromkeys(["stock", *chosen, *others]))


def tasks(options: argparse.Namespace, settings: Sequence[str], cache: Path) -> list[Task]:
    """Everything that the command asks for, in order.

    :param options: of the command line
    :param settings: names of those that can be measured
    :param cache: folder for compiled code that settings share
    """
    return [task for part in options.parts for task in _of_part(part, options, settings, cache)]


def _of_part(part: str, options: argparse.Namespace, settings: Sequence[str], cache: Path) -> list[Task]:
    usual = 1 if options.quick else options.repetitions
    few = min(usual, 3)
    if part == "ratios":
        return [_ratios(name, usual, options) for name in settings]
    if part == "scaling":
        return [
            Task(part, point, scaling.steps(point, few), partial(scaling.measure, point, few, cache))
            for point in scaling.points(options.quick)
        ]
    if part == "study":
        runs, steps = (2, 2048) if options.quick else (study.RUNS, 20_480)
        return [Task(part, "CartPole-v1", study.steps(1), partial(study.measure, 1, runs, steps))]
    leading = [name for name in settings if name in LEADING]
    if part == "beside":
        return [Task(part, name, beside.steps(name, usual), partial(beside.measure, name, usual)) for name in leading]
    return [
        Task(part, name, variables.steps(part, name, few), partial(variables.measure, part, name, few))
        for name in leading
    ]


def _ratios(name: str, repetitions: int, options: argparse.Namespace) -> Task:
    sides = sides_of(name, options)
    pythons = {side: options.other for side in OTHERS if options.other}
    processes = 1 if options.quick or name not in LEADING else options.processes
    measure = partial(ratios.measure, name, sides, pythons, repetitions, processes, options.device)
    return Task("ratios", name, ratios.steps(name, sides, repetitions, processes), measure)
