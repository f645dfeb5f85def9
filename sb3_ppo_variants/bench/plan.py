"""What a study will run, how long that takes and what it can show, before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich import box
from rich.markup import escape
from rich.table import Table

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.statistics.power import detectable_effect
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.imported import read_imported
from sb3_ppo_variants.bench.trials import TRIAL_STEPS, calibrate, measured_seconds


@dataclass(frozen=True)
class Cell:
    """The runs of one arm in one environment.

    :param runs: one per seed
    :param missing: those that are not finished
    :param seconds: of one run; None when it is not known
    :param tried: whether the seconds are of a trial, not of finished runs
    """

    runs: list[Run]
    missing: list[Run]
    seconds: float | None
    tried: bool = False


Plan = dict[tuple[str, str], Cell]


def make_plan(
    study: Study, folders: Folders, calibration: bool = True, done: Callable[[Run], None] = lambda run: None
) -> Plan:
    """Count the runs of a study and estimate the time of each.

    :param study: the study
    :param folders: where its finished runs lie; their times are preferred to a trial
    :param calibration: try those runs for a moment of whose configuration none is finished
    :param done: called after each trial
    :return: by (arm, environment)
    :raises TrialFailed: when a run raises in its trial
    """
    runs = {
        (arm, environment): [study.run(arm, environment, seed) for seed in study.seeds]
        for arm in study.arms
        for environment in study.environments
    }
    missing = {key: [run for run in cell if not folders.is_finished(run)] for key, cell in runs.items()}
    seconds = {key: measured_seconds(cell, folders) for key, cell in runs.items()}
    unknown = [key for key in runs if calibration and missing[key] and seconds[key] is None]
    trials = calibrate([runs[key][0] for key in unknown], done)
    seconds.update({key: trials[runs[key][0].identity] for key in unknown})
    return {key: Cell(runs[key], missing[key], seconds[key], tried=key in unknown) for key in runs}


def plan_table(study: Study, plan: Plan) -> Table:
    """Make the table of a plan: arms x environments, each with its runs and their estimated time.

    :param study: the study
    :param plan: its plan
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("runs to make x time of one", no_wrap=True)
    for environment in study.environments:
        table.add_column(escape(environment), justify="right")
    for arm in study.arms:
        cells = [plan[arm, environment] for environment in study.environments]
        table.add_row(escape(arm), *(_cell(cell) for cell in cells))
    return table


def plan_lines(study: Study, plan: Plan, workers: int) -> Iterator[str]:
    """Say in words how many runs there are, how long they take and what they can show.

    :param study: the study
    :param plan: its plan
    :param workers: runs at a time
    """
    cells = list(plan.values())
    runs, missing = sum(len(cell.runs) for cell in cells), sum(len(cell.missing) for cell in cells)
    yield (
        f"{len(study.arms)} arms x {len(study.environments)} environments x {len(study.seeds)} seeds = {runs} runs, "
        f"{runs - missing} finished, {missing} to make."
    )
    yield from _time(cells, workers)
    yield _effect(len(study.seeds))
    for arm in read_imported(study):
        yield f"{arm.arm}: runs read from {arm.source.folder}: {len(arm.runs)}, none to make."
        yield from (f"  left out: {line}" for line in arm.left_out)


def total_seconds(cells: list[Cell], workers: int) -> float | None:
    """Wall-clock seconds until all missing runs are made; None when some run's time is not known.

    The work is shared evenly, but no worker is quicker than the longest run.

    :param cells: the plan
    :param workers: runs at a time
    """
    work, longest = 0.0, 0.0
    for cell in cells:
        if cell.missing:
            if cell.seconds is None:
                return None
            work += cell.seconds * len(cell.missing)
            longest = max(longest, cell.seconds)
    return max(work / workers, longest)


def duration(seconds: float) -> str:
    """Write a time with its two greatest units: ``3 d 4 h``, ``1 h 5 min``, ``40 s``."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def _cell(cell: Cell) -> str:
    if not cell.missing:
        return "finished"
    time = "" if cell.seconds is None else f" x {duration(cell.seconds)}"
    return f"{len(cell.missing)}{time}"


def _time(cells: list[Cell], workers: int) -> Iterator[str]:
    seconds = total_seconds(cells, workers)
    if seconds is None:
        yield "Time: not known without calibration, no run of some configuration is finished."
        return
    if seconds == 0:
        yield "Time: none, everything is finished."
        return
    at_once = "one run at a time" if workers == 1 else f"{workers} runs at a time"
    yield f"Time: about {duration(seconds)} with {at_once}, each on a core of its own. An estimate, from:"
    tried = sum(len(cell.missing) for cell in cells if cell.tried)
    recorded = sum(len(cell.missing) for cell in cells) - tried
    if recorded:
        yield f"  the times that finished runs of the same configuration took, for {recorded} of the runs to make;"
    if tried:
        yield (
            f"  a trial on this machine, one run at a time, of at least {TRIAL_STEPS} steps and an episode of "
            f"evaluation, for {tried}; evaluation episodes are taken to last to their time limit."
        )


def _effect(seeds: int) -> str:
    effect = detectable_effect(seeds)
    if effect == float("inf"):
        return "One seed shows no difference between arms, whatever its size."
    return (
        f"With {seeds} seeds an arm, a difference between two arms in one environment is found with a probability of "
        f"80 % when it is {effect:.2f} standard deviations of a run's score (Cohen's d; two-sided t-test at 5 %, not "
        "corrected for the number of arms)."
    )
