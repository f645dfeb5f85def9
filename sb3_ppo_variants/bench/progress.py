"""Live progress of a study, read from the heartbeat files that every run writes."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Sequence

from rich import progress
from rich.console import Console, RenderableType
from rich.text import Text

from sb3_ppo_variants.bench.report.numbers import duration
from sb3_ppo_variants.bench.runs.folders import Folders, label, raised
from sb3_ppo_variants.bench.runs.record import NotWhole, read_record, trained_steps
from sb3_ppo_variants.bench.runs.worker import Outcome
from sb3_ppo_variants.bench.study.run import Run


class Progress(progress.Progress):
    """Show runs done, failures, steps per second and time left: live in a terminal, one line per run elsewhere.

    The clock of the rate starts with the first training, not with the start of workers or the wait for a cluster. Steps
    that a run had made before it was killed do not count for it.
    """

    def __init__(self, runs: Sequence[Run], folders: Folders, console: Console) -> None:
        super().__init__(
            progress.BarColumn(32),
            progress.TextColumn("{task.description}"),
            console=console,
            refresh_per_second=2,
            transient=True,
            get_time=time.time,
            disable=not console.is_terminal,
        )
        self.folders = folders
        self.pending = {label(run): run for run in runs}
        self.count, self.failed, self.trained_steps = len(runs), 0, 0
        self.made_before = self._made()
        self.add_task("", start=False, total=sum(run.total_timesteps for run in runs))
        (self.steps,) = self.tasks

    def add(self, outcome: Outcome) -> None:
        """Count one run that ended."""
        run, ending = outcome.run, "finished"
        del self.pending[label(run)]
        if outcome.started is not None:
            self.steps.start_time = min(outcome.started, self.steps.start_time or math.inf)
        if outcome.error is None and not outcome.elsewhere:
            trained = self._trained(run)
            self.trained_steps += trained
            if trained < run.total_timesteps:
                self.steps.total = (self.steps.total or 0) - (run.total_timesteps - trained)
                ending = f"ended by a callback at {trained} of {run.total_timesteps} steps"
        else:
            # The time left is that of the steps which are trained here.
            self.made_before.pop(label(run), None)
            self.steps.total = (self.steps.total or 0) - run.total_timesteps
            ending = "finished by another process"
        if outcome.error is not None:
            self.failed += 1
            ending = f"FAILED: {raised(outcome.error)}"
        line = f"[{self._done()}] {run.arm} on {run.environment}, seed {run.seed}: {ending} ({self._rate()})"
        self.console.print(Text(line, style="red" if outcome.error else ""), soft_wrap=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the live display."""
        # There is no task yet when rich renders an empty display first.
        for task in self.tasks:
            task.description = f"{self._done()} runs  {self._rate()}"
        yield self.make_tasks_table(self.tasks)

    def _trained(self, run: Run) -> int:
        """Steps of a finished run, which a callback may have ended."""
        if run.callbacks:
            with contextlib.suppress(NotWhole):
                return trained_steps(run, read_record(run, self.folders.finished(run)))
        return run.total_timesteps

    def _done(self) -> str:
        return f"{self.count - len(self.pending)}/{self.count}"

    def _made(self) -> dict[str, int]:
        """Steps so far of the runs that are not done."""
        made = {name: steps for name, steps in self.folders.steps().items() if name in self.pending}
        return {name: min(steps, self.pending[name].total_timesteps) for name, steps in made.items()}

    def _rate(self) -> str:
        made = self._made()
        if self.steps.start_time is None and made:
            # Another process may have made these, long before.
            self.steps.start_time, self.made_before = time.time(), made
        self.steps.completed = self.trained_steps + sum(made.values())
        # A run that has just been started again has not said yet where it goes on.
        here = max(0.0, self.steps.completed - sum(self.made_before.values()))
        rate = here / self.steps.elapsed if self.steps.elapsed else 0.0
        left = ((self.steps.total or 0) - self.steps.completed) / rate if rate else math.nan
        failed = f"{self.failed} failed, " if self.failed else ""
        return f"{failed}{rate:,.0f} steps/s, {duration(left)} left"
