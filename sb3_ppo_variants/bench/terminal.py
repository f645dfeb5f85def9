"""The tables that a terminal shows."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sb3_ppo_variants.bench.report.numbers import interval, mean_return, number
from sb3_ppo_variants.bench.report.sections.provenance import ended_early
from sb3_ppo_variants.bench.rounds import decision_lines, read_decisions, wanted_runs
from sb3_ppo_variants.bench.runs.folders import Folders, raised
from sb3_ppo_variants.bench.runs.provenance import versions
from sb3_ppo_variants.bench.runs.sources import changed_sources, changes, source_hash
from sb3_ppo_variants.bench.runs.whole import others, whole_runs
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.parts import missing_parts
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.stored import stored_runs
from sb3_ppo_variants.bench.tuning.search import Search

STATES = ("finished", "stale", "damaged", "failed", "missing")
# Beside every column of a table.
PADDING = 2
# Heading, and one cell for each arm.
Column = tuple[str, list[Text]]


def results_tables(study: Study, summary: Summary, width: int) -> list[Table]:
    """Make the table that ends a study, in as many parts as a terminal needs: each has the arms and some columns.

    :param width: of the terminal, in characters
    """
    space = width - max(map(len, summary.arms)) - PADDING
    parts: list[list[Column]] = [[]]
    for column in _columns(summary):
        if parts[-1] and sum(map(_width, [*parts[-1], column])) > space:
            parts.append([])
        parts[-1].append(column)
    return [_part(study, summary, columns) for columns in parts]


def _columns(summary: Summary) -> Iterator[Column]:
    for environment in summary.environments:
        returns = [summary.returns.get((arm, environment)) for arm in summary.arms]
        yield environment, [Text("missing") if mean is None else _below(mean_return(mean), "[") for mean in returns]
    yield "IQM", [_below(interval(summary.aggregates[arm].iqm), "[") for arm in summary.arms]
    better = {arm: _below(interval(found.improvement), "[") for arm, found in summary.comparisons.items()}
    yield (
        summary.beats.removeprefix("P(").removesuffix(")"),
        [better.get(arm, Text("baseline")) for arm in summary.arms],
    )
    yield "seeds", [Text(summary.seeds(arm)) for arm in summary.arms]


def _width(column: Column) -> int:
    heading, cells = column
    lines = [len(line) for cell in cells for line in cell.plain.splitlines()]
    return max(len(heading), *lines) + PADDING


def _part(study: Study, summary: Summary, columns: list[Column]) -> Table:
    table = table_of(study.name)
    table.add_column("arm", no_wrap=True)
    for heading, _ in columns:
        table.add_column(escape(heading), justify="right")
    for arm, *cells in zip(summary.arms, *(cells for _, cells in columns), strict=True):
        table.add_row(escape(arm), *cells)
    return table


def table_of(title: str) -> Table:
    """Make an empty table in the style of all of them."""
    return Table(
        title=escape(title),
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )


def _below(estimate: str, mark: str) -> Text:
    """Put the interval of an estimate on a second, paler line, so that a table of many columns fits a terminal."""
    value, separator, rest = estimate.partition(f" {mark}")
    return Text.assemble(value, ("\n" + mark + rest, "dim")) if separator else Text(value)


def tuning_table(searches: Sequence[Search]) -> Table:
    """Make the table of what is known of the trials, per arm and environment.

    :param searches: those of a study, at least one
    """
    table = table_of(f"{searches[0].study.name}, tuning")
    for heading in ("arm", "environment"):
        table.add_column(heading, no_wrap=True)
    for heading in ("trials", "failed", "best"):
        table.add_column(heading, justify="right")
    for search in searches:
        failed = sum(trial.failed for trial in search.trials)
        table.add_row(
            escape(search.arm),
            escape(search.environment),
            f"{len(search.trials)} of {search.tune.trials}",
            str(failed or ""),
            number(search.best.score) if search.best else "",
        )
    return table


def status(study: Study, folders: Folders) -> tuple[Table, list[str]]:
    """Make the table of the states of the runs, per arm and environment, and say why runs failed or are left out.

    :return: the table, and lines for failed runs, for callbacks that ended runs early, for what is decided of each
        arm, and for folders that no number of a report comes from
    """
    whole, left_out = whole_runs(study.runs, folders)
    stored = stored_runs(study.runs, folders)
    damaged, installed = {item.folder for item in left_out}, versions()
    counts: Counter[tuple[str, str, str]] = Counter()
    today = functools.cache(source_hash)
    for run, record in [*whole, *stored]:
        stale = record["provenance"]["versions"] != installed or changed_sources(record, today)
        counts[run.arm, run.environment, "stale" if stale else "finished"] += 1
    arms = (study.run(arm, next(iter(study.environments)), study.seeds[0]) for arm in study.arms)
    missing = dict.fromkeys(line for run in arms for line in missing_parts(run.arguments))
    lines = [f"cannot be imported, so its version is not known: {line}" for line in missing]
    lines += [f"stale: {change}" for change in changes(record for _, record in [*whole, *stored])]
    in_tables = {id(run) for run, _ in stored}
    decisions = read_decisions(study, folders)
    for run in (run for run in wanted_runs(study, decisions) if id(run) not in in_tables):
        if folders.finished(run) in damaged:
            counts[run.arm, run.environment, "damaged"] += 1
        elif folders.is_failed(run):
            counts[run.arm, run.environment, "failed"] += 1
            lines.append(f"{run.arm} on {run.environment}, seed {run.seed}: {raised(folders.reason(run))}")
        elif not folders.is_finished(run):
            counts[run.arm, run.environment, "missing"] += 1
    lines += ended_early(record for _, record in [*whole, *stored])
    table = table_of(study.name)
    table.add_column("arm", no_wrap=True)
    table.add_column("environment", no_wrap=True)
    for state in STATES:
        table.add_column(state, justify="right")
    for arm in study.arms:
        for name in study.environments:
            table.add_row(escape(arm), escape(name), *(str(counts[arm, name, state] or "") for state in STATES))
    return table, [
        *lines,
        *decision_lines(decisions),
        *(f"left out: {item}" for item in [*left_out, *others(study.runs, folders)]),
    ]
