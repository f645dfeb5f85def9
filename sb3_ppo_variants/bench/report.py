"""Statistics -> report.md and report.html with their figures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jinja2

from sb3_ppo_variants.bench import curve_plots, page, plots, score_plots, style
from sb3_ppo_variants.bench.contrasts import Ablation
from sb3_ppo_variants.bench.folders import Folders
from sb3_ppo_variants.bench.formats import FILTERS
from sb3_ppo_variants.bench.imported import ImportedArm, read_imported, with_imported, without_imported
from sb3_ppo_variants.bench.provenance import versions
from sb3_ppo_variants.bench.run import Run
from sb3_ppo_variants.bench.study import Study
from sb3_ppo_variants.bench.summary import Designs, Summary, summarise, update_sizes
from sb3_ppo_variants.bench.table import Table, collect, read, write


class MixedVersions(Exception):
    """Finished runs of one study were made with different versions of a package that can change results."""


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
    runs = study.runs()
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
    summary = summarise(table.results, study, table.times, _designs(study))
    drawings = _drawings(study, table, summary, runs)
    (folders.root / "figures").mkdir(exist_ok=True)
    svgs = {name: style.save(drawing.figure, folders.root / "figures" / name) for name, drawing in drawings.items()}
    context = _context(study, study_text, table, summary, runs, folders, imported)
    report = Report(folders.root / "report.md", folders.root / "report.html", summary)
    context["figures"] = {name: f"figures/{name}.svg" for name in drawings}
    report.path.write_text(render("report.md.jinja", context))
    context["figures"] = {name: page.figure(name, drawing, svgs[name]) for name, drawing in drawings.items()}
    report.page.write_text(render("report.html.jinja", {**context, **page.looks(summary)}))
    return report


def _designs(study: Study) -> Designs:
    """What its grids and ablations stand for."""
    return Designs({name: Ablation(**arms) for name, arms in study.ablations.items()}, study.factors)


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


def _drawings(study: Study, table: Table, summary: Summary, runs: list[Run]) -> dict[str, style.Drawing]:
    """Draw all figures, by the name of their files."""
    coefficients = sorted({name for run in runs for name in (*run.arguments, *run.defaults)})
    file_names = {run.environment: run.file_name for run in runs}
    updates = {
        f"updates-{file_names[environment]}": plots.updates(table.updates, environment, summary.arms, coefficients)
        for environment in table.updates["environment"].unique()
    }
    return {
        "curves": curve_plots.learning_curves(table.results, summary, study.bootstrap),
        "intervals": plots.intervals(summary),
        **score_plots.drawn(summary),
        **updates,
    }


def render(template: str, context: dict[str, Any]) -> str:
    """Fill a template of this package.

    :param template: its name
    :param context: what it names
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sb3_ppo_variants.bench"),
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
        failed=[(run, traceback(folders.failed(run))) for run in missing if _has_failed(run, folders)],
        missing=[run for run in missing if not _has_failed(run, folders)],
        fewest=min(summary.counts.values()),
        seeds={arm: seeds(summary, arm) for arm in summary.arms},
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


def _has_failed(run: Run, folders: Folders) -> bool:
    return folders.failed(run).is_dir() and not folders.finished(run).is_dir()


def traceback(folder: Path) -> str:
    """Traceback in a failed run's folder."""
    try:
        text = (folder / "traceback.txt").read_text().strip()
    except OSError:
        text = ""
    return text or "no traceback was written"


def last_line(folder: Path) -> str:
    """Last line of the traceback in a failed run's folder."""
    return traceback(folder).splitlines()[-1]


def seeds(summary: Summary, arm: str) -> str:
    """Number of finished seeds of an arm, as a range when its environments differ."""
    counts = [summary.counts.get((arm, environment), 0) for environment in summary.environments]
    return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
