"""How far a study is, read from its folders alone: the runs that are being made, their returns and the time left."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sb3_ppo_variants.bench.plan import shared_seconds
from sb3_ppo_variants.bench.report.numbers import duration, number
from sb3_ppo_variants.bench.rounds import read_decisions, wanted_runs
from sb3_ppo_variants.bench.runs import heartbeat
from sb3_ppo_variants.bench.runs.evaluation import seconds_per_step
from sb3_ppo_variants.bench.runs.folders import CHECKPOINT, Folders, alive, listed, maker
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.logs import UnreadableLog, evaluations
from sb3_ppo_variants.bench.table.stored import stored_runs
from sb3_ppo_variants.bench.terminal import table_of
from sb3_ppo_variants.bench.trials import measured_seconds
from sb3_ppo_variants.resume.file import saved_timesteps

BARS = "▁▂▃▄▅▆▇█"
# Evaluations in a row of the table.
SHOWN = 12


@dataclass(frozen=True)
class Making:
    """A run that is being made, or that was interrupted.

    :param maker: host and process, or that it was interrupted
    :param steps: environment steps so far, or those of the last checkpoint
    :param total_timesteps: those of the whole run
    :param returns: mean return of each evaluation so far
    :param seconds_left: None when nothing tells
    """

    arm: str
    environment: str
    seed: int
    maker: str
    steps: int
    total_timesteps: int
    returns: tuple[float, ...] = ()
    seconds_left: float | None = None


@dataclass(frozen=True)
class StudyState:
    """A study at one moment.

    :param name: of the study
    :param finished: number of finished runs
    :param failed: number of failed runs that nobody makes again
    :param missing: number of the other runs that nobody makes
    :param making: the runs that are being made
    :param steps: environment steps so far, of all runs that did not fail
    :param total_timesteps: those that these runs will have
    :param seconds_left: until no run is missing, with as many runs at a time as now; None when nothing tells
    :param interrupted: those of the missing runs that go on from a checkpoint
    """

    name: str
    finished: int
    failed: int
    missing: int
    making: tuple[Making, ...]
    steps: int
    total_timesteps: int
    seconds_left: float | None = None
    interrupted: tuple[Making, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether every run is finished or failed."""
        return not self.making and not self.missing


@dataclass(frozen=True)
class _States:
    """The names of the runs in each state, and the folder of each that is being made or was interrupted."""

    finished: set[str]
    failed: set[str]
    made: dict[str, Path]
    missing: set[str]
    interrupted: dict[str, Path]

    @property
    def every(self) -> set[str]:
        """The names of all runs."""
        return self.finished | self.failed | self.made.keys() | self.missing


class Watcher:
    """Take snapshots of a study. It writes nothing, and what a finished run took is read once.

    A run is being made while its process lives; on another machine, while its last sign of life is younger than five
    minutes by the clock of this one.
    """

    def __init__(self, study: Study, folders: Folders) -> None:
        self.study = study
        self.folders = folders
        self.runs = {folders.failed(run).name: run for run in study.runs}
        self.arms = {folders.finished(run).parent for run in study.runs}
        self.stored = {folders.failed(run).name for run, _ in stored_runs(study.runs, folders)}
        self.took: dict[str, float | None] = {}
        self.wanted = self._wanted()

    def snapshot(self) -> StudyState:
        """Read how far the study is; a folder that goes meanwhile is no error."""
        states = self._states()
        if self.study.until_decided and not states.made and not states.missing:
            # Runs of the next round are missing now, if there is one.
            self.wanted = self._wanted()
            states = self._states()
        seconds = self._seconds(states)
        making = tuple(_making(self.runs[name], path, seconds[name]) for name, path in states.made.items())
        interrupted = tuple(
            _interrupted(self.runs[name], path, seconds[name]) for name, path in states.interrupted.items()
        )
        begun = (*making, *interrupted)
        others = states.missing - states.interrupted.keys()
        left = [*(each.seconds_left for each in begun), *(seconds[name] for name in others)]
        known = [each for each in left if each is not None]
        return StudyState(
            name=self.study.name,
            finished=len(states.finished),
            failed=len(states.failed),
            missing=len(states.missing),
            making=making,
            steps=sum(self.runs[name].total_timesteps for name in states.finished) + sum(each.steps for each in begun),
            total_timesteps=sum(self.runs[name].total_timesteps for name in states.every - states.failed),
            seconds_left=shared_seconds(known, len(making)) if making and len(known) == len(left) else None,
            interrupted=interrupted,
        )

    def _wanted(self) -> set[str]:
        """The names of the runs that there have to be."""
        runs = wanted_runs(self.study, read_decisions(self.study, self.folders))
        return {self.folders.failed(run).name for run in runs}

    def _states(self) -> _States:
        # In the order in which a run passes through the folders, so that none is lost on its way.
        partials = self.folders.all_partials()
        folders = {path for arm in self.arms for path in listed(arm)}
        finished = self.stored | {name for name, run in self.runs.items() if self.folders.finished(run) in folders}
        failed = {path.name for path in listed(self.folders.root / "failed")}
        now = time.time()
        living = {path.name.rpartition("@")[0]: path for path in partials if alive(path, now)}
        made = {name: living[name] for name in self.runs if name in living and name not in finished}
        failed = self.wanted & failed - finished - made.keys()
        missing = self.wanted - finished - failed - made.keys()
        dead = {path.name.rpartition("@")[0]: path for path in partials if (path / CHECKPOINT).exists()}
        interrupted = {name: dead[name] for name in self.runs if name in dead and name in missing}
        return _States(finished, failed, made, missing, interrupted)

    def _seconds(self, states: _States) -> dict[str, float | None]:
        """Seconds of each whole run that is being made or missing; None where nothing tells.

        A run with an evaluation tells of itself. Others take as long as the finished runs of their arm and environment,
        or, where there are none, as those that are being made.
        """
        own = {}
        for name, path in states.made.items():
            pace = seconds_per_step(path)
            if pace is not None:
                own[name] = pace * self.runs[name].total_timesteps
        usual: dict[tuple[str, str], float | None] = {}
        seconds = {}
        for name in [*states.made, *states.missing]:
            task = (self.runs[name].arm, self.runs[name].environment)
            if task not in usual:
                usual[task] = self._usual(*task, states.finished, own)
            seconds[name] = own.get(name, usual[task])
        return seconds

    def _usual(self, arm: str, environment: str, finished: set[str], own: dict[str, float]) -> float | None:
        """Mean seconds of the runs of an arm in an environment of which that is known."""
        names = [self.folders.failed(run).name for run in self.study.runs_of(arm, environment)]
        took = [self._took(name) for name in names if name in finished]
        known = [each for each in took if each is not None] or [own[name] for name in names if name in own]
        return sum(known) / len(known) if known else None

    def _took(self, name: str) -> float | None:
        if name not in self.took:
            self.took[name] = measured_seconds([self.runs[name]], self.folders)
        return self.took[name]


def _making(run: Run, folder: Path, seconds: float | None) -> Making:
    origin, pid = maker(folder)
    return _begun(run, folder, f"{origin.rpartition('-')[0]} {pid}", heartbeat.steps(folder), seconds)


def _interrupted(run: Run, folder: Path, seconds: float | None) -> Making:
    steps = 0
    # It may be taken over, or be damaged.
    with contextlib.suppress(OSError, ValueError):
        steps = saved_timesteps(folder / CHECKPOINT)
    return _begun(run, folder, "interrupted", steps, seconds)


def _begun(run: Run, folder: Path, made_by: str, steps: int, seconds: float | None) -> Making:
    steps = min(steps, run.total_timesteps)
    try:
        returns = tuple(float(each.mean()) for each in evaluations(folder).returns)
    except UnreadableLog:
        # There is none yet, or the file is being written.
        returns = ()
    return Making(
        arm=run.arm,
        environment=run.environment,
        seed=run.seed,
        maker=made_by,
        steps=steps,
        total_timesteps=run.total_timesteps,
        returns=returns,
        seconds_left=None if seconds is None else seconds * (1 - steps / run.total_timesteps),
    )


def view(snapshot: StudyState) -> RenderableType:
    """Show a snapshot: the runs in each state, the steps of all, and a row for each run that is being made."""
    parts: list[RenderableType] = [Text(_counts(snapshot)), _steps(snapshot)]
    if snapshot.making or snapshot.interrupted:
        parts.append(_table([*snapshot.making, *snapshot.interrupted]))
    return Group(*parts)


def _counts(snapshot: StudyState) -> str:
    counts = {"finished": snapshot.finished, "being made": len(snapshot.making), "missing": snapshot.missing}
    failed = f", {snapshot.failed} failed" if snapshot.failed else ""
    interrupted = f" ({len(snapshot.interrupted)} interrupted)" if snapshot.interrupted else ""
    listed = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{snapshot.name}: {listed}{interrupted}{failed}"


def _steps(snapshot: StudyState) -> RenderableType:
    line = Table.grid(padding=(0, 1))
    left = "" if snapshot.seconds_left is None else f", about {duration(snapshot.seconds_left)} left"
    line.add_row(
        ProgressBar(snapshot.total_timesteps or 1, snapshot.steps, width=32),
        f"{share(snapshot.steps, snapshot.total_timesteps)} of the steps{left}",
    )
    return line


def _table(making: Sequence[Making]) -> Table:
    table = table_of("")
    for heading in ("arm", "environment"):
        table.add_column(heading)
    for heading in ("seed", "steps", "left"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("returns of evaluations", no_wrap=True)
    table.add_column("made by")
    for run in making:
        table.add_row(
            escape(run.arm),
            escape(run.environment),
            str(run.seed),
            share(run.steps, run.total_timesteps),
            "" if run.seconds_left is None else duration(run.seconds_left),
            f"{sparkline(run.returns[-SHOWN:]):>{SHOWN}} {number(run.returns[-1])}" if run.returns else "",
            escape(run.maker),
        )
    return table


def share(steps: int, total_timesteps: int) -> str:
    """Write a share in per cent, rounded down: 100 % is all of them.

    :param steps: environment steps
    :param total_timesteps: of which they are a part
    """
    return f"{100 * steps // total_timesteps if total_timesteps else 0} %"


def sparkline(values: Sequence[float]) -> str:
    """Draw numbers as bars from the least to the greatest of them; a number that is not finite is a gap."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    return "".join(_bar(value, low, high) if math.isfinite(value) else " " for value in values)


def _bar(value: float, low: float, high: float) -> str:
    # Halves, because the difference of the largest numbers is infinite.
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
    return BARS[round(share * (len(BARS) - 1))]
