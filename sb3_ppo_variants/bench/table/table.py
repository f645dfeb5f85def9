"""Finished run folders of a study -> tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.provenance import distinct
from sb3_ppo_variants.bench.runs.record import NotWhole, trained_steps
from sb3_ppo_variants.bench.runs.whole import LeftOut, whole_runs
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.table.numbers import read_numbers

RESULT_COLUMNS = [
    "arm", "environment", "seed", "identity", "timesteps", "mean_return", "std_return", "mean_length", "episodes",
]  # fmt: skip
TIMING_COLUMNS = [
    "arm", "environment", "seed", "identity", "seconds", "steps_per_second", "started", "finished", "cpu", "differs",
]  # fmt: skip
TIMING_TEXTS = ("started", "finished", "cpu", "differs")
KEYS = ["arm", "environment", "seed"]
RUN_KEYS = [*KEYS, "identity"]


@dataclass(frozen=True)
class Tables:
    """What the finished runs of a study left.

    :param results: one row per evaluation; deterministic columns only, with ``success`` and further metrics where there
        are any. The last evaluation of a run that a callback
        ended is carried forward to the budget, in rows with 0 episodes
    :param timings: one row per run; wall-clock columns, and ``differs``: why a run that went on from a checkpoint, or
        from a shorter run, is not the one that was never interrupted
    :param updates: one row per logger dump that carries ``train/`` values, at most 250 of a run: evenly spaced ones
    :param times: one row per evaluation, seconds of training until then; runs that did not write them are absent
    :param records: the ``run.json`` of each finished run
    :param left_out: the folders that no row comes from
    """

    results: pd.DataFrame
    timings: pd.DataFrame
    updates: pd.DataFrame
    times: pd.DataFrame
    records: list[dict[str, Any]]
    left_out: list[LeftOut] = field(default_factory=list)


def collect(runs: Iterable[Run], folders: Folders, metrics: Collection[str] = ()) -> Tables:
    """Read the finished ones among the runs of a study; other folders are never looked at.

    A folder that does not hold a whole run is left out, with the reason.

    :param runs: of the study
    :param folders: its folders
    :param metrics: keys of infos that become columns of the results, where runs have them
    """
    whole, left_out = whole_runs(sorted(runs, key=lambda run: (run.arm, run.environment, run.seed)), folders)
    read_runs = []
    for run, record in whole:
        try:
            read_runs.append((run, record, read_numbers(run, folders.finished(run), record, metrics)))
        except NotWhole as error:
            left_out.append(LeftOut(folders.finished(run), str(error)))
    finished = [run for run, _, _ in read_runs]
    numbers = [found for _, _, found in read_runs]
    timed = [(run, found.times) for run, found in zip(finished, numbers, strict=True) if found.times is not None]
    return Tables(
        results=_joined(finished, [found.evaluations for found in numbers], RESULT_COLUMNS),
        timings=pd.DataFrame([_timing(run, record) for run, record, _ in read_runs], columns=TIMING_COLUMNS),
        updates=_joined(finished, [found.updates for found in numbers], [*KEYS, "timesteps"]),
        times=_joined([run for run, _ in timed], [times for _, times in timed], [*KEYS, "timesteps", "seconds"]),
        # The files are those of the folder, and the tables are read without it.
        records=[
            of_arm({name: record[name] for name in record if name != "files"}, run.arm) for run, record, _ in read_runs
        ],
        left_out=left_out,
    )


def of_arm(record: dict[str, Any], arm: str) -> dict[str, Any]:
    """A record with the arm that its run belongs to now: who renames an arm renames its folder, and not what is in it.

    :param record: the ``run.json`` of a run
    :param arm: name of the arm
    """
    return {**record, "configuration": {**record["configuration"], "arm": arm}}


def _labels(run: Run) -> dict[str, Any]:
    return {"arm": run.arm, "environment": run.environment, "seed": run.seed}


def differences(record: dict[str, Any]) -> list[str]:
    """Why a run that went on from a checkpoint is not the one that was never interrupted; empty when it is.

    :param record: its ``run.json``
    """
    return distinct(went_on["differs"] for went_on in record.get("resumed", []) if went_on["differs"])


def continued_differently(record: dict[str, Any]) -> str | None:
    """Why a run that began at the last state of a shorter one is not the one that began anew; None when it is.

    :param record: its ``run.json``
    """
    reason: str | None = (record.get("continued") or {}).get("differs")
    return reason and f"continued: {reason}"


def _timing(run: Run, record: dict[str, Any]) -> dict[str, Any]:
    seconds = record["wall_seconds"]
    return {
        **_labels(run),
        "identity": run.identity,
        "seconds": seconds,
        "steps_per_second": round(trained_steps(run, record) / seconds, 1) if seconds else float("nan"),
        "started": record["started"],
        "finished": record["finished"],
        "cpu": record["provenance"]["cpu"],
        "differs": "; ".join(filter(None, [*differences(record), continued_differently(record)])) or None,
    }


def _joined(runs: list[Run], frames: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Join the rows of runs, each row with the arm, the environment and the seed of its run.

    :param runs: the runs
    :param frames: the rows of each
    :param columns: of the table when there are no runs
    """
    if not runs:
        return pd.DataFrame(columns=columns)
    joined = pd.concat(frames, ignore_index=True)
    labels = pd.DataFrame(map(_labels, runs)).loc[np.repeat(np.arange(len(runs)), list(map(len, frames)))]
    return pd.concat([labels.reset_index(drop=True), joined], axis=1)
