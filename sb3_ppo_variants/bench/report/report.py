"""Statistics -> report.md and report.html with their figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jinja2

from sb3_ppo_variants.bench.report import html
from sb3_ppo_variants.bench.report.figures import style
from sb3_ppo_variants.bench.report.figures.efficiency import efficiency
from sb3_ppo_variants.bench.report.figures.intervals import intervals
from sb3_ppo_variants.bench.report.figures.learning_curves import learning_curves
from sb3_ppo_variants.bench.report.figures.profiles import profiles
from sb3_ppo_variants.bench.report.figures.updates import updates
from sb3_ppo_variants.bench.report.numbers import FILTERS
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.provenance import MixedVersions, describe_versions, distinct, versions
from sb3_ppo_variants.bench.statistics.summary import Summary, summarise, update_sizes
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.imported import ImportedArm, read_imported, with_imported, without_imported
from sb3_ppo_variants.bench.table.table import Table, collect, read, write


@dataclass(frozen=True)
class Report:
    """A written report.

    :param path: ``report.md``
    :param page: ``report.html``
    :param summary: their numbers
    """

    path: Path
    page: Path
    summary: Summary


def make_report(study: Study, study_text: str, folders: Folders, allow_mixed_versions: bool = False) -> Report:
    """Write the tables, the figures, report.md and report.html of a study's finished runs.

    Where no run lies, but the tables of an earlier report do, as in a published folder, it is made again from these.

    :param study: the study
    :param study_text: the study file, shown in the report
    :param folders: where the runs lie and where the report goes
    :param allow_mixed_versions: compare runs of different package versions, and say so in the report
    :raises MixedVersions: when versions differ and that was not allowed
    :raises FileNotFoundError: when no run has finished
    """
    runs = study.runs
    table = collect(runs, folders)
    if not table.records:
        table = without_imported(read(folders.root) or table)
    if not table.records:
        raise FileNotFoundError("no finished run of this study, nothing to report")
    mixed = distinct(record["provenance"]["versions"] for record in table.records)
    if len(mixed) > 1 and not allow_mixed_versions:
        raise MixedVersions(describe_versions(mixed))
    imported = read_imported(study)
    table = with_imported(table, imported)
    write(table, folders.root)
    (folders.root / "study.yaml").write_text(study_text)
    summary = summarise(table.results, study, table.times)
    drawings = _drawings(study, table, summary, runs)
    (folders.root / "figures").mkdir(exist_ok=True)
    svgs = {name: style.save(drawing.figure, folders.root / "figures" / name) for name, drawing in drawings.items()}
    context = _context(study, study_text, table, summary, runs, folders, imported)
    report = Report(folders.root / "report.md", folders.root / "report.html", summary)
    context["figures"] = {name: f"figures/{name}.svg" for name in drawings}
    report.path.write_text(render("report.md.jinja", context))
    context["figures"] = {name: html.figure(name, drawing, svgs[name]) for name, drawing in drawings.items()}
    report.page.write_text(render("report.html.jinja", {**context, **html.page_style(summary)}))
    return report


def _drawings(study: Study, table: Table, summary: Summary, runs: list[Run]) -> dict[str, style.Drawing]:
    """Draw all figures, by the name of their files."""
    coefficients = sorted({name for run in runs for name in (*run.arguments, *run.defaults)})
    file_names = {run.environment: run.file_name for run in runs}
    drawings = {
        "curves": learning_curves(table.results, summary, study.bootstrap),
        "intervals": intervals(summary),
    }
    if summary.profiles:
        drawings["profiles"] = profiles(summary)
    if summary.curves.steps:
        drawings["efficiency"] = efficiency(summary)
    for environment in table.updates["environment"].unique():
        drawing = updates(table.updates, environment, summary.arms, coefficients)
        drawings[f"updates-{file_names[environment]}"] = drawing
    return drawings


def render(template: str, context: dict[str, Any]) -> str:
    """Fill a template of this package.

    :param template: its name
    :param context: what it names
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sb3_ppo_variants.bench.report"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(["html.jinja"]),
    )
    environment.filters.update(FILTERS)
    return environment.get_template(template).render(context)


def _context(
    study: Study,
    study_text: str,
    table: Table,
    summary: Summary,
    runs: list[Run],
    folders: Folders,
    imported: list[ImportedArm],
) -> dict[str, Any]:
    """Collect what both reports say."""
    places = [record["provenance"] for record in table.records]
    done = {(record["configuration"]["arm"], record["identity"]) for record in table.records}
    missing = [run for run in runs if (run.arm, run.identity) not in done]
    return dict(
        study=study,
        study_text=study_text.strip(),
        summary=summary,
        sizes=update_sizes(table.updates),
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        runs=len(runs),
        finished=len(table.records),
        failed=[(run, folders.reason(run)) for run in missing if folders.is_failed(run)],
        missing=[run for run in missing if not folders.is_failed(run)],
        fewest=min(summary.counts.values()),
        seeds={arm: summary.seeds(arm) for arm in summary.arms},
        scoring=_scoring(study),
        parquet=(folders.root / "results.parquet").exists(),
        versions=distinct(place["versions"] for place in places),
        installed=versions(),
        contribs=distinct(place.get("sb3_contrib") for place in places),
        pythons=distinct(place["python"] for place in places),
        commits=distinct(place["git"] for place in places),
        machines=distinct(f"{place['cpu']}, {place['platform']}" for place in places),
        commands=distinct(place["command"] for place in places),
        imported=imported,
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
