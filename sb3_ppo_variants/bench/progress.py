"""Live progress of a study, read from the heartbeat files that every run writes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.worker import Outcome
from sb3_ppo_variants.bench.study.run import Run


class Progress:
    """Show runs done, failures, steps per second and time left: live in a terminal, one line per run elsewhere.

    The clock behind the rate starts with the first training, not with the start of workers or the wait for a cluster.

    :param runs: what is about to run
    :param folders: where the heartbeats are
    :param console: where to write
    """

    def __init__(self, runs: Sequence[Run], folders: Folders, console: Console) -> None:
        self.folders = folders
        self.console = console
        self.open = {(run.arm, run.environment, run.seed): run for run in runs}
        self.runs = len(runs)
        self.steps = sum(run.total_timesteps for run in runs)
        self.failed = 0
        self.closed_steps = 0
        self.trained_steps = 0
        self.started: float | None = None
        self.before = 0
        self.live = Live(get_renderable=self.render, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def add(self, outcome: Outcome) -> None:
        """Count one run that ended.

        :param outcome: how it ended
        """
        run = outcome.run
        del self.open[run.arm, run.environment, run.seed]
        self.closed_steps += run.total_timesteps
        if outcome.started is not None:
            self._begin(outcome.started, 0)
        if outcome.elsewhere:
            ending = "finished by another process"
        elif outcome.error is None:
            self.trained_steps += run.total_timesteps
            ending = "finished"
        else:
            self.failed += 1
            ending = f"FAILED: {outcome.error.strip().splitlines()[-1]}"
        done = f"[{self.runs - len(self.open)}/{self.runs}]"
        line = f"{done} {run.arm} on {run.environment}, seed {run.seed}: {ending} ({self._summary()})"
        self.console.print(Text(line, style="red" if outcome.error else ""), soft_wrap=True)

    def render(self) -> RenderableType:
        """Build the live display."""
        current = self._current_steps()
        row = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=self.steps, completed=min(self.steps, self.closed_steps + current), width=32)
        row.add_row(bar, f"{self.runs - len(self.open)}/{self.runs} runs", self._summary(current))
        return Group(row)

    def _current_steps(self) -> int:
        steps = sum(min(self.folders.steps(run), run.total_timesteps) for run in list(self.open.values()))
        if steps:
            self._begin(time.time(), steps)
        return steps

    def _begin(self, moment: float, steps: int) -> None:
        """Start the clock at a moment when so many steps had been made, unless it started earlier."""
        if self.started is None or moment < self.started:
            self.started, self.before = moment, steps

    def _summary(self, current: int | None = None) -> str:
        current = self._current_steps() if current is None else current
        elapsed = 0.0 if self.started is None else time.time() - self.started
        rate = (self.trained_steps + current - self.before) / elapsed if elapsed > 0 else 0.0
        left = (self.steps - self.closed_steps - current) / rate if rate > 0 else float("nan")
        failed = f"{self.failed} failed, " if self.failed else ""
        return f"{failed}{max(rate, 0.0):,.0f} steps/s, {duration(left)} left"


def duration(seconds: float) -> str:
    """Write seconds as 45 s, 12 min or 3 h 20 min."""
    if seconds != seconds:
        return "?"
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
