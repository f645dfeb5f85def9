"""What was done of a long measurement, and how long the rest takes."""

from __future__ import annotations

import itertools
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rich import progress
from rich.console import Console

from sb3_ppo_variants.bench.report.numbers import duration

# Is told of every step that was done, and says whether there is time for more steps of that name.
Tick = Callable[[str], bool]
# Lines where there is no terminal, at least so many seconds apart.
PAUSE = 30.0
# Repetitions, one after the other, that are made whatever time they take.
LEAST = 2


class Step(NamedTuple):
    """A step of a task.

    :param name: the same for steps of the same length
    :param expected: seconds, a guess
    """

    name: str
    expected: float


def left(steps: Sequence[tuple[str, Step]], taken: Mapping[tuple[str, str], Sequence[float]], factor: float) -> float:
    """Seconds of the steps to come: the mean of the same step so far, else the guess by how wrong guesses were.

    :param steps: to come, each with the name of its task
    :param taken: seconds that were measured, by name of task and step
    :param factor: seconds measured over seconds expected, of all steps so far
    """
    total = 0.0
    for task, step in steps:
        seconds = taken.get((task, step.name))
        total += sum(seconds) / len(seconds) if seconds else step.expected * factor
    return total


class Progress:
    """A line that stands in a terminal and is drawn between the steps only; elsewhere a line now and then.

    :param tasks: the steps of each, by its name
    :param limit: seconds of the whole; to keep it, repetitions are left out
    :param console: to print on
    :param clock: that says seconds
    """

    def __init__(
        self,
        tasks: Mapping[str, Sequence[Step]],
        limit: float = math.inf,
        console: Console | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._left = [(task, step) for task, steps in tasks.items() for step in steps]
        self._taken: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self._measured = self._expected = 0.0
        self._limit, self._clock = limit, clock
        self._task, self._name, self._row = "", "", 0
        self._start = self._last = self._said = clock()
        self._console = console or Console()
        # A thread that draws would take time from what is measured.
        self._bar = progress.Progress(
            progress.BarColumn(32),
            progress.TextColumn("{task.description}", markup=False),
            console=self._console,
            auto_refresh=False,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._shown = self._bar.add_task("", total=1.0)

    def __enter__(self) -> Progress:
        self._bar.start()
        self._say("starts")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    @property
    def seconds_left(self) -> float:
        """Of all steps to come."""
        return left(self._left, self._taken, self._measured / self._expected if self._expected else 1.0)

    def begin(self, task: str) -> None:
        """Say that a task begins.

        :param task: name of it
        """
        self._task, self._name, self._last = task, "", self._clock()
        self._say("begins")

    def tick(self, name: str) -> bool:
        """Note that a step of the task was done.

        :param name: of the step
        :return: whether there is time for steps of the same name that follow at once; if not, they are not expected
        """
        now = self._clock()
        seconds, self._last = now - self._last, now
        found = next((one for one in self._left if one[0] == self._task and one[1].name == name), None)
        if found is not None:
            self._left.remove(found)
            self._taken[self._task, name].append(seconds)
            self._measured += seconds
            self._expected += found[1].expected
        self._row = self._row + 1 if name == self._name else 1
        self._name = name
        enough = self._row < LEAST or now - self._start + self.seconds_left <= self._limit
        if not enough:
            self._leave_out(name)
        if self._console.is_terminal or now - self._said >= PAUSE:
            self._say(name)
        return enough

    def end(self, said: str = "done") -> None:
        """Note that the task has ended, and with it the steps that were left out.

        :param said: how it ended
        """
        self._left = [one for one in self._left if one[0] != self._task]
        self._console.print(self._line(said), markup=False, highlight=False, soft_wrap=True)
        self._said = self._clock()

    def _leave_out(self, name: str) -> None:
        of_task = next((place for place, one in enumerate(self._left) if one[0] == self._task), len(self._left))
        self._left[of_task:] = itertools.dropwhile(
            lambda one: one[0] == self._task and one[1].name == name, self._left[of_task:]
        )

    def _line(self, said: str) -> str:
        elapsed = self._clock() - self._start
        name = f"{self._task}: " if self._task else ""
        return f"{name}{said}; {duration(elapsed)} so far, about {duration(self.seconds_left)} left"

    def _say(self, said: str) -> None:
        line, self._said = self._line(said), self._clock()
        if not self._console.is_terminal:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
            return
        elapsed = self._said - self._start
        whole = elapsed + self.seconds_left
        self._bar.update(self._shown, completed=elapsed / whole if whole else 1.0, description=line)
        self._bar.refresh()
