"""Runs -> tables -> statistics -> figures -> sections -> report.md and report.html."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2

from sb3_ppo_variants.bench.replacing import write_text
from sb3_ppo_variants.bench.report import html, markdown
from sb3_ppo_variants.bench.report.contents import contents
from sb3_ppo_variants.bench.report.document import Panel
from sb3_ppo_variants.bench.report.drawings import drawings
from sb3_ppo_variants.bench.report.figures.style import svg
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.provenance import MixedVersions, describe_versions, distinct
from sb3_ppo_variants.bench.runs.sources import stale_lines
from sb3_ppo_variants.bench.runs.whole import LeftOut, others
from sb3_ppo_variants.bench.statistics.summary import Summary, summarise
from sb3_ppo_variants.bench.study.parts import missing_parts
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.imported import read_imported, with_imported
from sb3_ppo_variants.bench.table.metrics import check_metrics
from sb3_ppo_variants.bench.table.stored import all_tables, write_beside
from sb3_ppo_variants.bench.table.table import Tables
from sb3_ppo_variants.bench.tuning.numbers import numbers_of
from sb3_ppo_variants.bench.tuning.table import read_searches


@dataclass(frozen=True)
class Report:
    """A written report.

    :param path: ``report.md``
    :param page: ``report.html``
    :param summary: their numbers
    :param further: those of the other metrics of the study
    :param left_out: the folders of runs of the study that no number comes from
    :param stale: lines on runs whose code of the user's own has changed since
    """

    path: Path
    page: Path
    summary: Summary
    further: list[Summary]
    left_out: list[LeftOut]
    stale: list[str]


def make_report(study: Study, study_text: str, folders: Folders, allow_mixed_versions: bool = False) -> Report:
    """Write the tables, the figures, report.md and report.html of a study's finished runs.

    Of runs without a folder the tables of an earlier report count, as in a published folder.

    :param study: the study
    :param study_text: the study file, shown in the report
    :param folders: where the runs lie and where the report goes
    :param allow_mixed_versions: compare runs of different package versions, and say so in the report
    :raises MixedVersions: when versions differ and that was not allowed
    :raises FileNotFoundError: when no run has finished, or none has recorded a metric
    """
    imported = read_imported(study)
    tables = with_imported(own_tables(study, folders, allow_mixed_versions), imported)
    check_metrics(study, tables.results, folders)
    tables = write_beside(tables, folders.root)
    write_text(folders.root / "study.yaml", study_text)
    summary, *further = (summarise(tables.results, study, tables.times, metric) for metric in study.metrics)
    figures = folders.root / "figures"
    figures.mkdir(exist_ok=True)
    tuning = [numbers_of(search) for search in read_searches(study, folders)]
    panels = {}
    for name, draw in drawings(study, tables.results, tables.updates, [summary, *further], tuning).items():
        drawing = draw()
        data = drawing.data.to_csv(index=False, lineterminator="\n")
        panels[name] = Panel(name, drawing.title, svg(drawing.figure), data)
        write_text(figures / f"{name}.svg", panels[name].svg)
    document = contents(study, study_text, folders, tables, [summary, *further], panels, imported, tuning)
    report = Report(
        path=folders.root / "report.md",
        page=folders.root / "report.html",
        summary=summary,
        further=further,
        left_out=tables.left_out,
        stale=stale_lines(tables.records),
    )
    write_text(report.path, render("report.md.jinja", {"document": document}))
    write_text(report.page, render("report.html.jinja", {"document": document, "dark": html.DARK}))
    return report


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
    environment.filters.update(**markdown.FILTERS, **html.FILTERS)
    return environment.get_template(template).render(context)


def own_tables(study: Study, folders: Folders, allow_mixed_versions: bool) -> Tables:
    """Tables of the study's own runs: of their folders, or of an earlier report where there is no folder.

    :param study: the study
    :param folders: where its runs lie
    :param allow_mixed_versions: whether runs of different package versions may be compared
    :raises MixedVersions: when versions differ and that is not allowed
    :raises FileNotFoundError: when no run has finished
    """
    tables = all_tables(study.runs, folders, study.metrics)
    tables = replace(tables, left_out=[*tables.left_out, *_of_unknown_parts(study, folders, tables)])
    if not tables.records:
        listed = "; ".join(map(str, [*tables.left_out, *others(study.runs, folders)]))
        raise FileNotFoundError(
            "no finished run of this study, nothing to report" + (f"; left out: {listed}" if listed else "")
        )
    mixed = distinct(record["provenance"]["versions"] for record in tables.records)
    if len(mixed) > 1 and not allow_mixed_versions:
        raise MixedVersions(describe_versions(mixed))
    return tables


def _of_unknown_parts(study: Study, folders: Folders, tables: Tables) -> Iterator[LeftOut]:
    """The arms that lack runs and have parts that cannot be imported, without whose versions no run is theirs."""
    found = Counter(record["configuration"]["arm"] for record in tables.records)
    for arm in study.arms:
        runs = [study.run(arm, name, study.seeds[0]) for name in study.environments]
        if found[arm] < len(study.environments) * len(study.seeds):
            for line in dict.fromkeys(line for run in runs for line in missing_parts(run.arguments)):
                reason = f"cannot be imported, so its version is not known and runs with it may not count: {line}"
                yield LeftOut(folders.root / arm, reason)
