"""What a study will run, how long that takes and what it can show, before anything starts."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from rich import box
from rich.markup import escape
from rich.table import Table

from sb3_ppo_variants.bench.report.numbers import duration
from sb3_ppo_variants.bench.rounds import read_decisions
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.longer import shorter_runs
from sb3_ppo_variants.bench.statistics.decisions import wanted_seeds
from sb3_ppo_variants.bench.statistics.power import detectable_effect
from sb3_ppo_variants.bench.study.keys import MOST_SEEDS
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study, baseline_name
from sb3_ppo_variants.bench.table.imported import read_imported
from sb3_ppo_variants.bench.table.stored import missing_runs
from sb3_ppo_variants.bench.trials import TRIAL_STEPS, calibrate, measured_seconds
from sb3_ppo_variants.bench.tuning.search import Search, known_trials
from sb3_ppo_variants.messages import counted


@dataclass(frozen=True)
class Planned:
    """The runs of one arm in one environment.

    :param runs: one per seed
    :param missing: those that are not finished; those of the round, where seeds are added until it is decided
    :param seconds: of one whole run; None when it is not known
    :param tried: whether the seconds are of a trial, not of finished runs
    :param later: those that follow in later rounds if nothing is decided
    :param begun: by the identity of a missing run, the steps that a shorter one has made of it already
    """

    runs: list[Run]
    missing: list[Run]
    seconds: float | None
    tried: bool = False
    later: list[Run] = field(default_factory=list)
    begun: dict[str, int] = field(default_factory=dict)

    @property
    def seconds_of_missing(self) -> list[float]:
        """Of each missing run, without the steps that a shorter one has made; none when the time is not known."""
        shares = (1 - self.begun.get(run.identity, 0) / run.total_timesteps for run in self.missing)
        return [] if self.seconds is None else [self.seconds * share for share in shares]


Plan = dict[tuple[str, str], Planned]


def make_plan(
    study: Study, folders: Folders, calibration: bool = True, done: Callable[[Run], None] = lambda run: None
) -> Plan:
    """Count the runs of a study and estimate the time of each.

    :param folders: where its finished runs or their tables lie; their times are preferred to a trial
    :param calibration: try each configuration of which no run is finished for a moment
    :return: by (arm, environment)
    :raises TrialFailed: when a run raises in its trial
    """
    decisions = read_decisions(study, folders)
    wanted = wanted_seeds(study, decisions)
    at_most = {arm: decisions.at_most(arm) if decisions else wanted[arm] for arm in study.arms}
    lacking = {id(run) for run in missing_runs(study.runs, folders)}
    runs, missing = {}, {}
    for arm, name in itertools.product(study.arms, study.environments):
        seeds = study.runs_of(arm, name)
        runs[arm, name] = [run for run in seeds if run.seed in at_most[arm] or id(run) not in lacking]
        missing[arm, name] = [run for run in seeds if run.seed in wanted[arm] and id(run) in lacking]
    seconds = measured_seconds(study.runs, folders)
    unknown = [key for key in runs if calibration and missing[key] and key not in seconds]
    trials = calibrate([runs[key][0] for key in unknown], done)
    seconds.update({key: trials[runs[key][0].identity] for key in unknown})
    shorter = shorter_runs([run for seeds in missing.values() for run in seeds], folders) if study.checkpoint else {}
    begun = {identity: found.timesteps for identity, found in shorter.items()}
    return {
        key: Planned(
            runs[key],
            missing[key],
            seconds.get(key),
            tried=key in unknown,
            later=[run for run in runs[key] if id(run) in lacking and run.seed not in wanted[key[0]]],
            begun=begun,
        )
        for key in runs
    }


def plan_table(study: Study, plan: Plan) -> Table:
    """Make the table of a plan: arms x environments, each with its runs and their estimated time."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("runs to make x time of one", no_wrap=True)
    for environment in study.environments:
        table.add_column(escape(environment), justify="right")
    for arm in study.arms:
        table.add_row(escape(arm), *(_cell(plan[arm, environment]) for environment in study.environments))
    return table


def plan_lines(study: Study, plan: Plan, workers: int) -> Iterator[str]:
    """Say how many runs there are, how long they take and what they can show."""
    planned = list(plan.values())
    counts = [(len(each.runs), len(each.missing), len(each.later)) for each in planned]
    runs, missing, later = (sum(column) for column in zip(*counts, strict=True))
    until = study.until_decided
    seeds = f"{until.least} to {until.most} seeds" if until else counted(len(study.seeds), "seed")
    total = f"at most {counted(runs, 'run')}" if later else counted(runs, "run")
    yield (f"{_cells(study)} x {seeds} = {total}, {runs - missing - later} finished, {missing} to make.")
    yield from _time(planned, workers)
    if later:
        yield from _later(planned, later, workers)
    begun = [each.begun[run.identity] for each in planned for run in each.missing if run.identity in each.begun]
    if begun:
        yield f"{counted(len(begun), 'run')} to make begin where shorter ones ended, at {sum(begun)} steps in all."
    if any(run.callbacks for each in planned for run in each.missing):
        yield "Runs that a callback ends early take less: the time of a trial is that of the whole budget."
    tests = len(study.compared) - 1
    yield from _effect(len(study.seeds), len(study.environments), tests, baseline_name(study.baseline))
    if until:
        yield f"  That is the test of {until.most} seeds without a look before; the looks cost a little of it."
    for arm in read_imported(study):
        yield f"{arm.arm}: runs read from {arm.source.folder}: {len(arm.runs)}, none to make."
        yield from (f"  left out: {line}" for line in arm.left_out)


def total_seconds(planned: list[Planned], workers: int) -> float | None:
    """Wall-clock seconds until all missing runs are made; None when some run's time is not known."""
    seconds: list[float] = []
    for each in planned:
        if each.missing:
            if each.seconds is None:
                return None
            seconds += each.seconds_of_missing
    return shared_seconds(seconds, workers)


def shared_seconds(seconds: Sequence[float], workers: int) -> float:
    """Wall-clock seconds of runs that workers share evenly; no worker is quicker than the longest run."""
    return max(sum(seconds) / workers, max(seconds, default=0.0))


def _cell(planned: Planned) -> str:
    if not planned.missing:
        return "finished"
    seconds = planned.seconds_of_missing
    time = f" x {duration(sum(seconds) / len(seconds))}" if seconds else ""
    return f"{len(planned.missing)}{time}"


def tuning_lines(searches: Sequence[Search], plan: Plan, workers: int) -> Iterator[str]:
    """Say how many trials there are before the runs of a study, and how long they take; nothing without ``tune``.

    :param searches: those of the study, with the trials that are known
    :param plan: of its runs, each of which takes about as long as one of a trial
    :param workers: runs at a time
    """
    if not searches:
        return
    study, tune = searches[0].study, searches[0].tune
    runs = len(searches) * tune.trials * tune.seeds
    steps = sum(search.steps_of_trial for search in searches) * tune.trials
    yield (
        f"Tuning: {_cells(study)} x {counted(tune.trials, 'trial')} x {counted(tune.seeds, 'seed')} = "
        f"{counted(runs, 'run')}, {steps} steps; {known_trials(searches)} are known."
    )
    missing = {(each.arm, each.environment): (tune.trials - len(each.trials)) * tune.seeds for each in searches}
    seconds = [plan[key].seconds for key, count in missing.items() for _ in range(count)]
    known = [each for each in seconds if each is not None]
    if known and len(known) == len(seconds):
        yield (
            f"  Their time: about {duration(shared_seconds(known, workers))} with {_at_once(workers)}, if what is "
            "tried takes as long as the arguments of the file."
        )


def _time(planned: list[Planned], workers: int) -> Iterator[str]:
    seconds = total_seconds(planned, workers)
    if seconds is None:
        yield "Time: not known without calibration, no run of some configuration is finished."
        return
    if seconds == 0:
        yield "Time: none, everything is finished."
        return
    yield f"Time: about {duration(seconds)} with {_at_once(workers)}, one core each. An estimate, from:"
    tried = sum(len(each.missing) for each in planned if each.tried)
    recorded = sum(len(each.missing) for each in planned) - tried
    if recorded:
        yield f"  the times that finished runs of the same configuration took, for {recorded} of the runs to make;"
    if tried:
        yield (
            f"  a trial on this machine, one run at a time, of at least {TRIAL_STEPS} steps and an episode of "
            f"evaluation, for {tried}; evaluation episodes are taken to last to their time limit."
        )


def _later(planned: list[Planned], later: int, workers: int) -> Iterator[str]:
    """Say what follows the runs to make."""
    seconds = total_seconds([replace(each, missing=[*each.missing, *each.later]) for each in planned], workers)
    time = "" if seconds is None else f": about {duration(seconds)} in all"
    yield f"That is the least. If nothing is decided before the last look, {counted(later, 'run')} more{time}."


def seeds_for(effect: float, environments: int, tests: int) -> int | None:
    """Least number of seeds an arm with which a difference is found with a probability of 80 %.

    :param effect: the difference, the same in every environment, in standard deviations of a run's score
    :param environments: number of environments
    :param tests: number of arms that are compared with the baseline
    :return: None when more seeds are needed than a study may have
    """

    def found(seeds: int) -> bool:
        return detectable_effect([(seeds, seeds)] * environments, tests) <= effect

    high = 2
    while not found(high):
        if high >= MOST_SEEDS:
            return None
        high = min(2 * high, MOST_SEEDS)
    return bisect.bisect_left(range(high), True, lo=high // 2, key=found)


def seeds_line(study: Study, effect: float) -> str:
    """Say how many seeds find a difference.

    :param study: the study
    :param effect: in standard deviations of a run's score, above 0
    """
    tests, environments = len(study.compared) - 1, len(study.environments)
    if not tests:
        return "There is no arm to compare with the baseline."
    everywhere = " in every environment" if environments > 1 else ""
    size = f"A difference of {effect:g} times the standard deviation of a run's score{everywhere}"
    seeds = seeds_for(effect, environments, tests)
    if seeds is None:
        return f"{size} needs more than the {MOST_SEEDS} seeds that a study may have."
    return f"{size} is found with a probability of 80 % with {seeds} seeds an arm; this study has {len(study.seeds)}."


def _effect(seeds: int, environments: int, tests: int, baseline: str) -> Iterator[str]:
    """Say what the comparison of so many arms with the baseline can show."""
    if not tests:
        return
    counts = [(seeds, seeds)] * environments
    everywhere, alone = detectable_effect(counts, tests), detectable_effect(counts, tests, only=0)
    compared = f"With {counted(seeds, 'seed')} an arm, the comparison of {counted(tests, 'arm')} with {baseline}"
    if math.isinf(everywhere):
        yield f"{compared} does not find a difference with a probability of 80 %, whatever its size."
        return
    size = f"{everywhere:.1f} standard deviations of a run's score"
    if environments > 1:
        single = "; one in a single environment is missed" if math.isinf(alone) else f", or {alone:.1f} in a single one"
        size += f" in every environment{single}"
    yield (
        f"{compared} (permutation test at 5 % after Holm's correction) finds a difference with a probability of 80 % "
        f"when it is {size}."
    )


def _cells(study: Study) -> str:
    return f"{counted(len(study.arms), 'arm')} x {counted(len(study.environments), 'environment')}"


def _at_once(workers: int) -> str:
    return "one run at a time" if workers == 1 else f"{workers} runs at a time"
