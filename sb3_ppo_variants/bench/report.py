"""Statistics -> report.md with its figures."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jinja2

from sb3_ppo_variants.bench import plots, score_plots, style
from sb3_ppo_variants.bench.contrasts import Contrast
from sb3_ppo_variants.bench.folders import Folders
from sb3_ppo_variants.bench.power import Detectable
from sb3_ppo_variants.bench.provenance import versions
from sb3_ppo_variants.bench.run import Run
from sb3_ppo_variants.bench.stats import Estimate
from sb3_ppo_variants.bench.study import Study
from sb3_ppo_variants.bench.summary import Summary, summarise, update_sizes
from sb3_ppo_variants.bench.table import Table, collect, write


class MixedVersions(Exception):
    """Finished runs of one study were made with different versions of a package that can change results."""


@dataclass(frozen=True)
class Report:
    """A written report.

    :param path: ``report.md``
    :param summary: its numbers
    """

    path: Path
    summary: Summary


def make_report(study: Study, study_text: str, folders: Folders, allow_mixed_versions: bool = False) -> Report:
    """Write results.csv, timings.csv, the figures and report.md of a study's finished runs.

    :param study: the study
    :param study_text: the study file, shown in the report
    :param folders: where the runs lie and where the report goes
    :param allow_mixed_versions: compare runs of different package versions, and say so in the report
    :raises MixedVersions: when versions differ and that was not allowed
    :raises FileNotFoundError: when no run has finished
    """
    runs = study.runs()
    table = collect(runs, folders)
    if not table.records:
        raise FileNotFoundError("no finished run of this study, nothing to report")
    mixed = distinct(record["provenance"]["versions"] for record in table.records)
    if len(mixed) > 1 and not allow_mixed_versions:
        raise MixedVersions(describe_versions(mixed))
    write(table, folders.root)
    (folders.root / "study.yaml").write_text(study_text)
    summary = summarise(table.results, study, table.times)
    figures = _draw(study, table, summary, runs, folders.root / "figures")
    path = folders.root / "report.md"
    path.write_text(_render(study, study_text, table, summary, runs, folders, figures))
    return Report(path, summary)


def distinct(items: Iterable[Any]) -> list[Any]:
    """Different values among JSON-able items, in the order of their first appearance."""
    return list({json.dumps(item, sort_keys=True): item for item in items}.values())


def describe_versions(different: list[dict[str, str | None]]) -> str:
    """Name the packages whose versions differ, each with the versions found."""
    lines = []
    for name in different[0]:
        found = distinct(versions_of.get(name) for versions_of in different)
        if len(found) > 1:
            lines.append(f"{name}: {', '.join(map(str, found))}")
    return "; ".join(lines)


def _draw(study: Study, table: Table, summary: Summary, runs: list[Run], folder: Path) -> dict[str, str]:
    """Draw all figures and return their paths within the report, by name."""
    folder.mkdir(exist_ok=True)
    coefficients = sorted({name for run in runs for name in (*run.arguments, *run.defaults)})
    drawn = {
        "curves": plots.learning_curves(table.results, summary, study.bootstrap),
        "intervals": plots.intervals(summary),
        **score_plots.drawn(summary),
    }
    file_names = {run.environment: run.file_name for run in runs}
    for environment in table.updates["environment"].unique():
        name = f"updates-{file_names[environment]}"
        drawn[name] = plots.updates(table.updates, environment, summary.arms, coefficients)
    for name, figure in drawn.items():
        style.save(figure, folder / name)
    return {name: f"figures/{name}.svg" for name in drawn}


def _render(
    study: Study,
    study_text: str,
    table: Table,
    summary: Summary,
    runs: list[Run],
    folders: Folders,
    figures: dict[str, str],
) -> str:
    places = [record["provenance"] for record in table.records]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sb3_ppo_variants.bench"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    environment.filters.update(**FILTERS)
    return environment.get_template("report.md.jinja").render(
        study=study,
        study_text=study_text.strip(),
        summary=summary,
        sizes=update_sizes(table.updates),
        figures=figures,
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        runs=len(runs),
        finished=len(table.records),
        failed=[(run, last_line(folders.failed(run))) for run in runs if _has_failed(run, folders)],
        missing=[run for run in runs if not folders.finished(run).exists() and not _has_failed(run, folders)],
        fewest=min(summary.counts.values()),
        seeds={arm: seeds(summary, arm) for arm in summary.arms},
        scoring=_scoring(study),
        versions=distinct(place["versions"] for place in places),
        installed=versions(),
        pythons=distinct(place["python"] for place in places),
        commits=distinct(place["git"] for place in places),
        machines=distinct(f"{place['cpu']}, {place['platform']}" for place in places),
        commands=distinct(place["command"] for place in places),
        seconds=float(table.timings["seconds"].sum()),
    )


def _scoring(study: Study) -> str:
    """Say what a run's score is, once for each different setting of the evaluation."""
    settings = distinct(study.judged(name).model_dump() for name in study.environments)
    parts = [
        f"mean return over its last {setting['last']} evaluations, {setting['episodes']} episodes each, "
        f"one every {setting['every']} steps"
        for setting in settings
    ]
    return f"A run's score is its {', or its '.join(parts)}{' (set per environment)' if len(parts) > 1 else ''}."


def _has_failed(run: Run, folders: Folders) -> bool:
    return folders.failed(run).is_dir() and not folders.finished(run).is_dir()


def last_line(folder: Path) -> str:
    """Last line of the traceback in a failed run's folder."""
    try:
        lines = (folder / "traceback.txt").read_text().strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "no traceback was written"


def seeds(summary: Summary, arm: str) -> str:
    """Number of finished seeds of an arm, as a range when its environments differ."""
    counts = [summary.counts.get((arm, environment), 0) for environment in summary.environments]
    return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def number(value: float) -> str:
    """Write a number with about four significant digits."""
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3
    return f"{value:.{digits}f}"


def plus_minus(estimate: Estimate) -> str:
    """Write a mean and the half width of its symmetric interval, both to two significant digits of the latter."""
    half = estimate.high - estimate.value
    if not half > 0:
        return number(estimate.value) + (" ± 0" if half == 0 else "")
    digits = max(0, 1 - math.floor(math.log10(half)))
    return f"{estimate.value:.{digits}f} ± {half:.{digits}f}"


def interval(estimate: Estimate) -> str:
    """Write a number and its interval."""
    if estimate.value != estimate.value:
        return "n/a"
    bounds = "" if estimate.low != estimate.low else f" [{estimate.low:.2f}, {estimate.high:.2f}]"
    return f"{estimate.value:.2f}{bounds}"


def spread(estimate: Estimate) -> str:
    """Write a small positive number and the range around it."""
    return f"{estimate.value:.2g} ({estimate.low:.2g} to {estimate.high:.2g})"


def small(value: float) -> str:
    """Write a p-value, a share or a count with two significant digits."""
    return "n/a" if math.isnan(value) else f"{value:.2g}"


def steps(value: float) -> str:
    """Write a number of environment steps, which may be unknown or never reached."""
    return "n/a" if math.isnan(value) else "never" if math.isinf(value) else f"{value:.0f}"


def detected(found: Detectable) -> str:
    """Write what a comparison can detect, in returns and in standard deviations."""
    if math.isinf(found.deviations):
        return "nothing"
    deviations = f"{found.deviations:.1f} sd"
    return deviations if math.isnan(found.score) else f"{number(found.score)} ({deviations})"


def contrast(found: Contrast | None) -> str:
    """Write a contrast with its interval, and the environments that it leaves out."""
    if found is None:
        return ""
    without = f", without {', '.join(found.excluded)}" if found.excluded else ""
    return cell(interval(found.difference) + without)


def cell(text: object) -> str:
    """Escape a text for a cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


FILTERS = {
    function.__name__: function for function in (cell, contrast, detected, interval, plus_minus, small, spread, steps)
}
