"""The contents of a report: which sections it has, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from sb3_ppo_variants.bench.report.document import Definition, Document, Panel, Section, slugs
from sb3_ppo_variants.bench.report.sections import curves
from sb3_ppo_variants.bench.report.sections.aggregates import aggregates, profiles
from sb3_ppo_variants.bench.report.sections.arms import arms
from sb3_ppo_variants.bench.report.sections.cautions import cautions
from sb3_ppo_variants.bench.report.sections.cells import arm_cells
from sb3_ppo_variants.bench.report.sections.comparisons import comparisons, detectable_differences, every_pair
from sb3_ppo_variants.bench.report.sections.contrasts import contrasts
from sb3_ppo_variants.bench.report.sections.decisions import caution, decisions
from sb3_ppo_variants.bench.report.sections.metrics import further_metric
from sb3_ppo_variants.bench.report.sections.provenance import (
    failed_runs,
    imported_runs,
    left_out_folders,
    missing_runs,
    what_was_run,
)
from sb3_ppo_variants.bench.report.sections.results import results
from sb3_ppo_variants.bench.report.sections.stability import stability
from sb3_ppo_variants.bench.report.sections.tuning import tuning
from sb3_ppo_variants.bench.report.sections.updates import updates
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.whole import others
from sb3_ppo_variants.bench.statistics.decisions import wanted_seeds
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.keys import RETURN
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.imported import ImportedArm
from sb3_ppo_variants.bench.table.table import Tables
from sb3_ppo_variants.bench.tuning.numbers import SearchNumbers
from sb3_ppo_variants.messages import counted


def contents(
    study: Study,
    study_text: str,
    folders: Folders,
    tables: Tables,
    summaries: Sequence[Summary],
    panels: Mapping[str, Panel],
    imported: Sequence[ImportedArm],
    tuned: Sequence[SearchNumbers],
) -> Document:
    """Put a report together.

    :param study: the study
    :param study_text: its file
    :param folders: where its runs lie
    :param tables: what the runs left
    :param summaries: their numbers, for each metric of the study
    :param panels: the figures, by name
    :param imported: arms of other programs
    :param tuned: the searches for the arguments of its arms
    """
    summary, runs = summaries[0], study.runs
    done = set(tables.timings[["arm", "identity"]].itertuples(index=False, name=None))
    left_out = {item.folder for item in tables.left_out}
    wanted = wanted_seeds(study, summary.decisions)
    planned = [run for run in runs if run.seed in wanted[run.arm] or (run.arm, run.identity) in done]
    unfinished = [
        run for run in planned if (run.arm, run.identity) not in done and folders.finished(run) not in left_out
    ]
    failed = [(run, folders.reason(run)) for run in unfinished if folders.is_failed(run)]
    missing = [run for run in unfinished if not folders.is_failed(run)]
    parquet = (folders.root / "results.parquet").exists()
    provenance = what_was_run(study, tables, len(failed), len(missing), parquet)
    strays = others(runs, folders)
    named = [f"{item.folder.relative_to(folders.root.parent)}: {item.reason}" for item in [*tables.left_out, *strays]]
    failures = failed_runs(failed) if failed else None
    sections = [
        *_numbers(study, tables, summaries, panels, tuned),
        provenance,
        *([imported_runs(imported)] if imported else []),
        *([failures] if failures else []),
        *([missing_runs(missing)] if missing else []),
        *([left_out_folders(named)] if named else []),
        Section("Study file", code=study_text.strip()),
    ]
    return Document(
        title=study.title or study.name,
        lead=[Definition(term, [text]) for term, text in _lead(study) if text],
        facts=[
            *([f"study {study.name}"] if study.title else []),
            f"{len(done)} of {len(planned)} runs finished",
            counted(len(summary.arms), "arm"),
            counted(len(summary.environments), "environment"),
            _seeds(study),
            f"made {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        ],
        cautions=[
            *cautions(summaries, tables, provenance, failures, named[: len(tables.left_out)]),
            *([caution()] if summary.decisions else []),
        ],
        sections=sections,
        arms=list(arm_cells(summary).values()),
    )


def _lead(study: Study) -> tuple[tuple[str, str | None], ...]:
    return ("Question", study.question), ("Answer", study.answer)


def _seeds(study: Study) -> str:
    until = study.until_decided
    return f"{until.least} to {until.most} seeds, until decided" if until else counted(len(study.seeds), "seed")


def _numbers(
    study: Study,
    tables: Tables,
    summaries: Sequence[Summary],
    panels: Mapping[str, Panel],
    tuned: Sequence[SearchNumbers],
) -> list[Section]:
    summary = summaries[0]
    sections = [results(study, summary, panels["intervals"]), arms(study, summary)]
    sections.append(curves.learning_curves(panels["curves"], summary))
    if "efficiency" in panels:
        sections.append(curves.sample_efficiency(summary, panels["efficiency"]))
    if summary.decisions:
        sections.append(decisions(summary, summary.decisions))
    elif summary.comparisons:
        sections += [comparisons(summary), detectable_differences(summary)]
        sections += [every_pair(summary)] if summary.pairs else []
    names = slugs(each.metric for each in summaries)
    for each in summaries[1:]:
        sections += further_metric(study, each, panels[f"curves-{names[each.metric]}"])
    sections.append(aggregates(summary))
    if "profiles" in panels:
        sections.append(profiles(panels["profiles"]))
    sections += contrasts(summary, panels)
    sections += [stability(summary)] if summary.metric == RETURN else []
    if tuned:
        sections += tuning(tuned, summary, panels)
    sections += updates(
        tables.updates, summary, [panel for name, panel in panels.items() if name.startswith("updates-")]
    )
    return sections
