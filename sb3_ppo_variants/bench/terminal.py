"""The tables that a terminal shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sb3_ppo_variants.bench.report.numbers import interval, mean_return
from sb3_ppo_variants.bench.runs.folders import Folders, last_line
from sb3_ppo_variants.bench.runs.provenance import versions
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import BASELINE, Study

STATES = ("finished", "stale", "failed", "missing")
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
    others = [arm for arm in summary.arms if arm != BASELINE]
    better = {arm: _below(interval(summary.comparisons[arm].improvement), "[") for arm in others}
    yield "beats PPO", [better.get(arm, Text("baseline")) for arm in summary.arms]
    yield "seeds", [Text(summary.seeds(arm)) for arm in summary.arms]


def _width(column: Column) -> int:
    heading, cells = column
    lines = [len(line) for cell in cells for line in cell.plain.splitlines()]
    return max(len(heading), *lines) + PADDING


def _part(study: Study, summary: Summary, columns: list[Column]) -> Table:
    table = _table(study)
    table.add_column("arm", no_wrap=True)
    for heading, _ in columns:
        table.add_column(escape(heading), justify="right")
    for arm, *cells in zip(summary.arms, *(cells for _, cells in columns), strict=True):
        table.add_row(escape(arm), *cells)
    return table


def _table(study: Study) -> Table:
    return Table(
        title=escape(study.name),
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


def run_state(run: Run, folders: Folders) -> str:
    """Tell whether a run is finished, stale (finished with other versions), failed or missing."""
    if folders.is_finished(run):
        return "finished" if folders.record(run)["provenance"]["versions"] == versions() else "stale"
    return "failed" if folders.is_failed(run) else "missing"


def status_table(study: Study, folders: Folders) -> Table:
    """Make the table of what is finished, stale, failed and missing, per arm and environment."""
    table = _table(study)
    table.add_column("arm", no_wrap=True)
    table.add_column("environment", no_wrap=True)
    for state in STATES:
        table.add_column(state, justify="right")
    for arm in study.arms:
        for environment in study.environments:
            counts = Counter(run_state(run, folders) for run in study.runs_of(arm, environment))
            table.add_row(escape(arm), escape(environment), *(str(counts[state] or "") for state in STATES))
    return table


def failures(study: Study, folders: Folders) -> list[str]:
    """Say of every failed run why it failed, one line each."""
    return [
        f"{run.arm} on {run.environment}, seed {run.seed}: {last_line(folders.reason(run))}"
        for run in study.runs
        if run_state(run, folders) == "failed"
    ]
