"""How far a study is, read from its folders alone: the runs that are being made, their returns and the time left."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sb3_ppo_variants.bench.plan import shared_seconds
from sb3_ppo_variants.bench.rounds import read_decisions, wanted_runs
from sb3_ppo_variants.bench.runs import heartbeat
from sb3_ppo_variants.bench.runs.evaluation import seconds_per_step
from sb3_ppo_variants.bench.runs.folders import Folders, alive, label, listed, maker
from sb3_ppo_variants.bench.runs.record import CHECKPOINT
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.logs import UnreadableLog, evaluations
from sb3_ppo_variants.bench.table.stored import stored_runs
from sb3_ppo_variants.bench.trials import measured_seconds
from sb3_ppo_variants.bench.tuning.rounds import distinct_runs, folders_of_trials, open_batches, tuned
from sb3_ppo_variants.bench.tuning.search import known_trials
from sb3_ppo_variants.bench.tuning.table import read_searches
from sb3_ppo_variants.resume.file import saved_timesteps


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
    :param tuning: how many trials are known, while the runs are those of trials; a round of them
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
    tuning: str = ""

    @property
    def ended(self) -> bool:
        """Whether every run of the study is finished or failed."""
        return not (self.making or self.missing or self.tuning)


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
        self.round = self._round()

    def snapshot(self) -> StudyState:
        """Read how far the study is; a folder that goes meanwhile is no error."""
        snapshot = self.round.snapshot()
        if not (snapshot.making or snapshot.missing) and (self.study.until_decided or self.round.tuning):
            # Runs of the next round are missing now, if there is one.
            self.round = self._round()
            snapshot = self.round.snapshot()
        return snapshot

    def _round(self) -> _Round:
        """The runs that there have to be now: those of the next trials, or those of the study."""
        searches = read_searches(self.study, self.folders)
        if not all(search.finished for search in searches):
            trials = distinct_runs(open_batches(self.study, self.folders))
            return _Round(self.study.name, trials, trials, folders_of_trials(self.folders), known_trials(searches))
        study = tuned(self.study, self.folders)
        wanted = wanted_runs(study, read_decisions(study, self.folders))
        return _Round(study.name, study.runs, wanted, self.folders)


class _Round:
    """The runs of a study that are watched.

    :param name: of the study
    :param runs: all that there may be
    :param wanted: those that there have to be
    :param folders: where they are made
    :param tuning: how many trials are known, while runs of trials are made
    """

    def __init__(self, name: str, runs: list[Run], wanted: Iterable[Run], folders: Folders, tuning: str = "") -> None:
        self.name = name
        self.folders = folders
        self.tuning = tuning
        self.runs = {label(run): run for run in runs}
        self.wanted = set(map(label, wanted))
        self.arms = {folders.finished(run).parent for run in runs}
        self.alike: dict[tuple[str, str], list[str]] = {}
        for name_of_run, run in self.runs.items():
            self.alike.setdefault((run.arm, run.environment), []).append(name_of_run)
        self.took: dict[str, float | None] = {
            label(run): float(record["wall_seconds"]) for run, record in stored_runs(runs, folders)
        }
        self.stored = set(self.took)

    def snapshot(self) -> StudyState:
        """Read how far the runs are."""
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
            name=self.name,
            finished=len(states.finished),
            failed=len(states.failed),
            missing=len(states.missing),
            making=making,
            steps=sum(self.runs[name].total_timesteps for name in states.finished) + sum(each.steps for each in begun),
            total_timesteps=sum(self.runs[name].total_timesteps for name in states.every - states.failed),
            seconds_left=shared_seconds(known, len(making)) if making and len(known) == len(left) else None,
            interrupted=interrupted,
            tuning=self.tuning,
        )

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
        names = self.alike[arm, environment]
        took = [self._took(name) for name in names if name in finished]
        known = [each for each in took if each is not None] or [own[name] for name in names if name in own]
        return sum(known) / len(known) if known else None

    def _took(self, name: str) -> float | None:
        if name not in self.took:
            run = self.runs[name]
            self.took[name] = measured_seconds([run], self.folders).get((run.arm, run.environment))
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
