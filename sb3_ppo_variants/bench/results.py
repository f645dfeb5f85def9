"""The numbers of a study as tidy data frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sb3_ppo_variants.bench.report.report import own_tables
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.whole import LeftOut
from sb3_ppo_variants.bench.statistics.comparisons import Comparison
from sb3_ppo_variants.bench.statistics.intervals import normalise
from sb3_ppo_variants.bench.statistics.scores import seed_scores, split_runs
from sb3_ppo_variants.bench.statistics.summary import Summary, summarise
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.imported import read_imported, with_imported
from sb3_ppo_variants.bench.table.metrics import check_metrics
from sb3_ppo_variants.bench.table.table import KEYS, RUN_KEYS, TIMING_COLUMNS
from sb3_ppo_variants.bench.tuning.rounds import tuned
from sb3_ppo_variants.bench.validation import StudyMistakes, read_study
from sb3_ppo_variants.imports import import_folders, look_in
from sb3_ppo_variants.messages import warn_user

RUN_COLUMNS = [*RUN_KEYS, "metric", "score", "normalised_score"]
COMPARISON_COLUMNS = [
    "metric", "family", "arm", "other", "improvement", "low", "high", "p_value", "adjusted_p_value", "least_p_value",
    "differs", "environments",
]  # fmt: skip


@dataclass(frozen=True)
class Results:
    """Tidy data frames of the finished runs of a study; ``docs/paper.md`` has every column with its unit.

    :param study: the study
    :param runs: one row per run and metric: its score
    :param evaluations: one row per evaluation of a run
    :param updates: one row per update of a run, at most 250 of a run
    :param timings: one row per run: seconds and processor
    :param comparisons: one row per metric and pair of arms that the report compares
    :param summaries: all numbers of the report, for each metric
    :param left_out: what no number comes from, with the reasons
    """

    study: Study
    runs: pd.DataFrame
    evaluations: pd.DataFrame
    updates: pd.DataFrame
    timings: pd.DataFrame
    comparisons: pd.DataFrame
    summaries: Sequence[Summary]
    left_out: Sequence[LeftOut]


def load_results(source: str | Path, results: str | Path = "results", allow_mixed_versions: bool = False) -> Results:
    """Load the finished runs of a study, from their folders or, where these are not there, from the tables of a report.

    What cannot be loaded draws a warning.

    :param source: a study file, or the folder of a study with the ``study.yaml`` that a report leaves, such as
        ``benchmarks/published/ablation``. A study that names other files is loaded by its own file
    :param results: where studies are kept; a folder as the source does not need it
    :param allow_mixed_versions: whether runs of different package versions may be compared
    :raises StudyMistakes: when the study file cannot be read
    :raises MixedVersions: when versions differ and that is not allowed
    :raises FileNotFoundError: when no run has finished
    """
    path = Path(source)
    file = path / "study.yaml" if path.is_dir() else path
    look_in(import_folders(file))
    try:
        study = read_study(file)
    except StudyMistakes as error:
        if file == path or not file.exists():
            raise
        hint = (
            f"files that a study names are found from its own file: give that as the source, and results={path.parent}"
        )
        raise StudyMistakes([*error.mistakes, hint]) from error
    folders = Folders(path if path.is_dir() else Path(results) / study.name)
    found = results_of(study, folders, allow_mixed_versions)
    for item in found.left_out:
        warn_user(f"left out: {item}")
    return found


def results_of(study: Study, folders: Folders, allow_mixed_versions: bool) -> Results:
    """Read the finished runs of a study.

    :param study: as its file says
    :param folders: its folders
    :param allow_mixed_versions: as of :func:`load_results`
    """
    study = tuned(study, folders)
    tables = with_imported(own_tables(study, folders, allow_mixed_versions), read_imported(study))
    check_metrics(study, tables.results, folders)
    summaries = [summarise(tables.results, study, tables.times, metric) for metric in study.metrics]
    timings = tables.timings.reindex(columns=TIMING_COLUMNS)
    moments = {name: pd.to_datetime(timings[name], utc=True) for name in ("started", "finished")}
    return Results(
        study=study,
        runs=pd.concat([_runs(tables.results, study, each) for each in summaries], ignore_index=True),
        evaluations=tables.results.merge(tables.times, how="left", on=[*KEYS, "timesteps"]),
        updates=tables.updates,
        timings=timings.assign(**moments),
        comparisons=pd.DataFrame([row for each in summaries for row in _comparisons(each)], columns=COMPARISON_COLUMNS),
        summaries=summaries,
        left_out=tables.left_out,
    )


def _runs(results: pd.DataFrame, study: Study, summary: Summary) -> pd.DataFrame:
    scores = seed_scores(split_runs(results, metric=summary.metric), study)
    parts = []
    for (arm, environment), of_seeds in scores.items():
        found, scale = np.array([*of_seeds.values()]), summary.scales[environment]
        values = {"score": found, "normalised_score": normalise(found, scale.low, scale.high)}
        labels = {"arm": arm, "environment": environment, "seed": [*of_seeds], "metric": summary.metric}
        parts.append(pd.DataFrame(labels | values))
    frame = pd.concat(parts, ignore_index=True)
    return frame.merge(results[RUN_KEYS].drop_duplicates(), on=KEYS)[RUN_COLUMNS]


def _comparisons(summary: Summary) -> Iterator[dict[str, Any]]:
    for arm, found in summary.comparisons.items():
        yield _row(summary.metric, "baseline", arm, summary.arms[0], found)
    for (arm, other), found in summary.pairs.items():
        yield _row(summary.metric, "pairs", arm, other, found)


def _row(metric: str, family: str, arm: str, other: str, found: Comparison) -> dict[str, Any]:
    improvement, low, high = found.improvement
    return {
        "metric": metric,
        "family": family,
        "arm": arm,
        "other": other,
        "improvement": improvement,
        "low": low,
        "high": high,
        "p_value": found.p_value,
        "adjusted_p_value": found.adjusted_p_value,
        "least_p_value": found.least_p_value,
        "differs": found.differs,
        "environments": len(found.environments),
    }
