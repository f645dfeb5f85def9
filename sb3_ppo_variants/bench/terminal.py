"""The tables that a terminal shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sb3_ppo_variants.bench.report.numbers import interval, mean_return, number, quantity
from sb3_ppo_variants.bench.report.sections.cautions import few_seeds
from sb3_ppo_variants.bench.report.sections.results import normalisation
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.keys import RETURN
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.tuning.search import Search

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


def results_lines(summary: Summary, scores_command: str) -> Iterator[str]:
    """Say what the report says beside its table: few seeds, and which scores count as 0 and 1.

    :param summary: the numbers of the study
    :param scores_command: what measures these scores
    """
    yield f"Scores: {normalisation(summary)}."
    if any(scale.from_study_range for scale in summary.scales.values()) and summary.metric == RETURN:
        yield f"Such scores cannot be compared with those of another study: {scores_command} measures 0 and 1."
    yield from (f"{warning.title}: {warning.text}" for warning in few_seeds(summary))


def _columns(summary: Summary) -> Iterator[Column]:
    for environment in summary.environments:
        returns = [summary.returns.get((arm, environment)) for arm in summary.arms]
        yield environment, [Text("missing") if mean is None else _below(mean_return(mean), "[") for mean in returns]
    yield "IQM", [_below(interval(summary.aggregates[arm].iqm), "[") for arm in summary.arms]
    better = {arm: _below(interval(found.improvement), "[") for arm, found in summary.comparisons.items()}
    yield (
        summary.beats.removeprefix("P(").removesuffix(")"),
        [better.get(arm, Text("baseline" if arm == summary.arms[0] else "n/a")) for arm in summary.arms],
    )
    yield "seeds", [Text(summary.seeds(arm)) for arm in summary.arms]


def _width(column: Column) -> int:
    heading, cells = column
    lines = [len(line) for cell in cells for line in cell.plain.splitlines()]
    return max(len(heading), *lines) + PADDING


def _part(study: Study, summary: Summary, columns: list[Column]) -> Table:
    table = table_of(study.name if summary.metric == RETURN else f"{study.name}: {quantity(summary.metric)}")
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
