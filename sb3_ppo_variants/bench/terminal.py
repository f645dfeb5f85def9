"""The tables that a terminal shows."""

from __future__ import annotations

import json
from collections import Counter

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sb3_ppo_variants.bench.folders import Folders
from sb3_ppo_variants.bench.formats import interval, plus_minus
from sb3_ppo_variants.bench.provenance import versions
from sb3_ppo_variants.bench.report import last_line, seeds
from sb3_ppo_variants.bench.run import Run
from sb3_ppo_variants.bench.study import BASELINE, Study
from sb3_ppo_variants.bench.summary import Summary

STATES = ("finished", "stale", "failed", "missing")


def results_table(study: Study, summary: Summary) -> Table:
    """Make the table that ends a study.

    :param study: the study
    :param summary: its numbers
    """
    table = _table(study)
    table.add_column("arm", no_wrap=True)
    for heading in (*map(escape, summary.environments), "IQM", "beats PPO", "seeds"):
        table.add_column(heading, justify="right", overflow="fold")
    for arm in summary.arms:
        found = [summary.returns.get((arm, environment)) for environment in summary.environments]
        returns = ["missing" if estimate is None else _below(plus_minus(estimate), "±") for estimate in found]
        improvement = "baseline" if arm == BASELINE else _below(interval(summary.comparisons[arm].improvement), "[")
        aggregate = _below(interval(summary.aggregates[arm].iqm), "[")
        table.add_row(escape(arm), *returns, aggregate, improvement, seeds(summary, arm))
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
    value, found, rest = estimate.partition(f" {mark}")
    return Text.assemble(value, ("\n" + mark + rest, "dim")) if found else Text(value)


def run_state(run: Run, folders: Folders) -> str:
    """Tell whether a run is finished, stale (finished with other versions), failed or missing."""
    finished = folders.finished(run)
    if finished.is_dir():
        record = json.loads((finished / "run.json").read_text())
        return "finished" if record["provenance"]["versions"] == versions() else "stale"
    return "failed" if folders.failed(run).is_dir() else "missing"


def status_table(study: Study, folders: Folders) -> Table:
    """Make the table of what is finished, stale, failed and missing, per arm and environment.

    :param study: the study
    :param folders: where its runs lie
    """
    table = _table(study)
    table.add_column("arm", no_wrap=True)
    table.add_column("environment", no_wrap=True)
    for state in STATES:
        table.add_column(state, justify="right")
    for arm in study.arms:
        for environment in study.environments:
            counts = Counter(run_state(study.run(arm, environment, seed), folders) for seed in study.seeds)
            table.add_row(escape(arm), escape(environment), *(str(counts[state] or "") for state in STATES))
    return table


def failures(study: Study, folders: Folders) -> list[str]:
    """Say of every failed run why it failed, one line each.

    :param study: the study
    :param folders: where its runs lie
    """
    return [
        f"{run.arm} on {run.environment}, seed {run.seed}: {last_line(folders.failed(run))}"
        for run in study.runs()
        if run_state(run, folders) == "failed"
    ]
