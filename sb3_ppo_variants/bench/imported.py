"""Runs of another program as rows of the table, and every folder that did not become one, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sb3_ppo_variants.bench.study import Study
from sb3_ppo_variants.bench.table import RESULT_COLUMNS, Table
from sb3_ppo_variants.bench.zoo_logs import LoggedRun, UnreadableLog, read_log

# Stands in the column of identities: what such a run was configured with is not known in full.
IDENTITY = "imported"


@dataclass(frozen=True)
class ImportedArm:
    """What became of the folders of one imported arm.

    :param arm: its name
    :param folder: the folder that it was read from
    :param algorithms: RL Zoo's names of the algorithms of the runs that count
    :param runs: runs that count
    :param left_out: one line for each folder that does not, ``folder: reason``
    """

    arm: str
    folder: Path
    algorithms: list[str]
    runs: list[LoggedRun]
    left_out: list[str]


def read_imported(study: Study) -> list[ImportedArm]:
    """Read the folders of all imported arms of a study.

    :param study: the study
    """
    return [_read(study, arm, imported.folder) for arm, imported in study.imported.items()]


def with_imported(table: Table, arms: list[ImportedArm]) -> Table:
    """Add the evaluations of imported runs to a table.

    :param table: the study's own runs
    :param arms: the imported ones
    """
    rows = [row for arm in arms for run in arm.runs for row in _rows(arm.arm, run)]
    if not rows:
        return table
    added = pd.DataFrame(rows, columns=RESULT_COLUMNS)
    return replace(table, results=pd.concat([table.results, added], ignore_index=True))


def _read(study: Study, arm: str, folder: Path) -> ImportedArm:
    runs: dict[tuple[str, int], LoggedRun] = {}
    left_out = []
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        try:
            run = _within_budget(read_log(path), study)
            first = runs.setdefault((run.environment, run.seed), run)
            if first is not run:
                raise UnreadableLog(f"same environment and seed {run.seed} as {first.folder.name}")
        except UnreadableLog as error:
            left_out.append(f"{path.name}: {error}")
    kept = sorted(runs.values(), key=lambda run: (run.environment, run.seed))
    return ImportedArm(arm, folder, sorted({run.algorithm for run in kept}), kept, left_out)


def _within_budget(run: LoggedRun, study: Study) -> LoggedRun:
    """Drop evaluations beyond the study's budget; a run that ended before it is no match for one that did not."""
    if run.environment not in study.environments:
        raise UnreadableLog(f"ignored, {run.environment} is no environment of the study")
    budget, last = study.steps(run.environment), study.judged(run.environment).last
    if run.timesteps[-1] + run.timesteps[0] <= budget:
        raise UnreadableLog(f"incomplete, its evaluations end at {run.timesteps[-1]} of the study's {budget} steps")
    inside = run.timesteps <= budget
    if inside.sum() < last:
        raise UnreadableLog(f"{inside.sum()} evaluations within {budget} steps, a score needs {last}")
    return replace(run, timesteps=run.timesteps[inside], returns=run.returns[inside], lengths=run.lengths[inside])


def _rows(arm: str, run: LoggedRun) -> Iterator[dict[str, Any]]:
    for steps, returns, lengths in zip(run.timesteps, run.returns, run.lengths, strict=True):
        yield {
            "arm": arm,
            "environment": run.environment,
            "seed": run.seed,
            "identity": IDENTITY,
            "timesteps": int(steps),
            "mean_return": float(np.mean(returns)),
            "std_return": float(np.std(returns)),
            "mean_length": float(np.mean(lengths)),
            "episodes": len(returns),
        }
