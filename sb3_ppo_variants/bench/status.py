"""In which state the runs of a study are, for a terminal."""

from __future__ import annotations

import functools
from collections import Counter

from rich.markup import escape
from rich.table import Table

from sb3_ppo_variants.bench.report.numbers import duration
from sb3_ppo_variants.bench.report.sections.provenance import ended_early
from sb3_ppo_variants.bench.rounds import decision_lines, read_decisions, wanted_runs
from sb3_ppo_variants.bench.runs.folders import Folders, raised
from sb3_ppo_variants.bench.runs.provenance import versions
from sb3_ppo_variants.bench.runs.sources import changed_sources, source_hash, stale_lines
from sb3_ppo_variants.bench.runs.whole import others, whole_runs
from sb3_ppo_variants.bench.snapshots import Making, StudyState, Watcher
from sb3_ppo_variants.bench.study.parts import missing_parts
from sb3_ppo_variants.bench.study.run import plain_id
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.stored import stored_runs
from sb3_ppo_variants.bench.terminal import PADDING, table_of
from sb3_ppo_variants.bench.watch import share
from sb3_ppo_variants.messages import cut

# Stale runs are finished, with other package versions or other own code than there are now.
STATES = ("finished", "running", "failed", "missing", "stale", "damaged")
# An arm and an environment, and the state of some of their runs.
Counts = Counter[tuple[str, str, str]]
# Characters that a name keeps however narrow a terminal is.
SHORTEST = len("environment")


def status(study: Study, folders: Folders, width: int) -> tuple[Table, list[str]]:
    """Make the table of the states of the runs, per arm and environment, and say why runs failed or are left out.

    :param study: the study
    :param folders: its folders
    :param width: of the terminal, in characters
    :return: the table, and lines for the runs that are being made, for failed runs, for callbacks that ended runs
        early, for what is decided of each arm, and for folders that no number of a report comes from
    """
    whole, left_out = whole_runs(study.runs, folders)
    stored = stored_runs(study.runs, folders)
    state = Watcher(study, folders).snapshot()
    running = {(made.arm, made.environment, made.seed) for made in state.making}
    damaged, installed = {item.folder for item in left_out}, versions()
    counts: Counts = Counter((made.arm, made.environment, "running") for made in state.making)
    today = functools.cache(source_hash)
    for run, record in [*whole, *stored]:
        stale = record["provenance"]["versions"] != installed or changed_sources(record, today)
        counts[run.arm, run.environment, "stale" if stale else "finished"] += 1
    arms = (study.run(arm, next(iter(study.environments)), study.seeds[0]) for arm in study.arms)
    missing = dict.fromkeys(line for run in arms for line in missing_parts(run.arguments))
    failures = []
    in_tables = {id(run) for run, _ in stored}
    decisions = read_decisions(study, folders)
    for run in (run for run in wanted_runs(study, decisions) if id(run) not in in_tables):
        if folders.finished(run) in damaged:
            counts[run.arm, run.environment, "damaged"] += 1
        elif (run.arm, run.environment, run.seed) in running:
            continue
        elif folders.is_failed(run):
            counts[run.arm, run.environment, "failed"] += 1
            failures.append(f"{run.arm} on {run.environment}, seed {run.seed}: {raised(folders.reason(run))}")
        elif not folders.is_finished(run):
            counts[run.arm, run.environment, "missing"] += 1
    return _table(study, counts, width), [
        *_running_lines(state),
        *(f"cannot be imported, so its version is not known: {line}" for line in missing),
        *stale_lines(record for _, record in [*whole, *stored]),
        *failures,
        *ended_early(record for _, record in [*whole, *stored]),
        *decision_lines(decisions),
        *(f"left out: {item}" for item in [*left_out, *others(study.runs, folders)]),
    ]


def _table(study: Study, counts: Counts, width: int) -> Table:
    """Make the table; names are cut where the terminal is too narrow, headings and numbers never."""
    found = {kind for _, _, kind in counts}
    shown = [kind for kind in STATES if kind in found or kind not in ("stale", "damaged")]
    space = width - sum(len(kind) + PADDING for kind in shown) - 2 * PADDING
    arms, environments = max(map(len, study.arms)), max(len(plain_id(name)) for name in study.environments)
    environments = max(SHORTEST, min(environments, max(space - arms, space // 2)))
    arms = max(SHORTEST, space - environments)
    table = table_of(study.name)
    table.add_column("arm", no_wrap=True)
    table.add_column("environment", no_wrap=True)
    for kind in shown:
        table.add_column(kind, justify="right", no_wrap=True)
    for arm in study.arms:
        for name in study.environments:
            names = (escape(cut(arm, arms)), escape(cut(plain_id(name), environments)))
            table.add_row(*names, *(str(counts[arm, name, kind] or "") for kind in shown))
    return table


def _running_lines(state: StudyState) -> list[str]:
    lines = [f"running: {_progress(made)}" for made in state.making]
    lines += [f"interrupted: {_progress(made)}" for made in state.interrupted]
    if state.seconds_left is not None:
        lines.append(
            f"{share(state.steps, state.total_timesteps)} of all steps, about {duration(state.seconds_left)} left"
        )
    return lines


def _progress(made: Making) -> str:
    left = "" if made.seconds_left is None else f", about {duration(made.seconds_left)} left"
    done = share(made.steps, made.total_timesteps)
    return f"{made.arm} on {made.environment}, seed {made.seed}: {done} of its steps{left}"
