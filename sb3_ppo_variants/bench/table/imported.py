"""Runs of another program as rows of the results, and the folders that are left out, with the reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from sb3_ppo_variants.bench.study.keys import Imported
from sb3_ppo_variants.bench.study.run import plain_id
from sb3_ppo_variants.bench.study.study import Study, imported_name
from sb3_ppo_variants.bench.table.logs import LogFolder, Series, UnreadableLog, evaluations, read_log, training_episodes
from sb3_ppo_variants.bench.table.stored import IMPORTED
from sb3_ppo_variants.bench.table.table import RESULT_COLUMNS, Tables


@dataclass(frozen=True)
class ImportedRun:
    """One run of another program.

    :param log: what its folder says of it
    :param series: its returns within the study's budget
    """

    log: LogFolder
    series: Series


@dataclass(frozen=True)
class ImportedArm:
    """The runs of one imported arm, and its folders that are left out.

    :param name: its name in the study file
    :param source: where it was read from, and what
    :param runs: the runs that are compared
    :param left_out: one line for each folder that is left out, ``folder: reason``
    """

    name: str
    source: Imported
    runs: list[ImportedRun]
    left_out: list[str]

    @property
    def arm(self) -> str:
        """Its name in tables and figures, which says that it is imported."""
        return imported_name(self.name, self.source)

    @property
    def versions(self) -> list[str]:
        """Versions of Stable-Baselines3 that made its runs, ``unknown`` where no saved model says so."""
        return sorted({run.log.version or "unknown" for run in self.runs})

    def mistakes(self) -> Iterator[str]:
        """Say why its runs cannot stand for one arm."""
        folder = self.source.folder
        if not self.runs:
            listed = "; ".join(self.left_out) or "it has no folders; give that of one algorithm, such as logs/ppo"
            yield f"no run in {folder} can be compared: {listed}"
        algorithms = sorted({run.log.algorithm for run in self.runs})
        if len(algorithms) > 1:
            yield f"{folder} has runs of {' and '.join(algorithms)}"
        first: dict[str, LogFolder] = {}
        for run in self.runs:
            one, other = first.setdefault(run.log.environment, run.log), run.log
            names = sorted({*one.settings, *other.settings})
            different = [name for name in names if one.settings.get(name) != other.settings.get(name)]
            if different:
                yield (
                    f"{one.path.name} and {other.path.name} were made with different {', '.join(different)}; "
                    "put runs of different settings into separate folders"
                )


def read_imported(study: Study) -> list[ImportedArm]:
    """Read the folders of all imported arms of a study."""
    return [_read(study, name, source) for name, source in study.imported.items()]


def with_imported(tables: Tables, arms: list[ImportedArm]) -> Tables:
    """Add the returns of imported runs to the tables."""
    added = [
        run.series.table().assign(arm=arm.arm, environment=run.log.environment, seed=run.log.seed, identity=IMPORTED)
        for arm in arms
        for run in arm.runs
    ]
    if not added:
        return tables
    results = pd.concat([tables.results, *added], ignore_index=True)
    further = [name for name in results.columns if name not in RESULT_COLUMNS]
    return replace(tables, results=results[[*RESULT_COLUMNS, *further]])


def _read(study: Study, name: str, source: Imported) -> ImportedArm:
    found, left_out = [], []
    for path in sorted(path for path in source.folder.iterdir() if path.is_dir()):
        try:
            log = _of_study(read_log(path), study)
            found.append((log, _series(log, source, study)))
        except UnreadableLog as error:
            left_out.append(f"{path.name}: {error}")
    # A run that was made with a raised budget lies beside the shorter one that it went on from.
    found.sort(key=lambda item: item[1].timesteps[-1], reverse=True)
    runs: dict[tuple[str, int], ImportedRun] = {}
    for log, series in found:
        try:
            run = ImportedRun(log, _within_budget(series, log.environment, study))
            first = runs.setdefault((log.environment, log.seed), run)
            if first is not run:
                raise UnreadableLog(f"same environment and seed {log.seed} as {first.log.path.name}")
        except UnreadableLog as error:
            left_out.append(f"{log.path.name}: {error}")
    kept = sorted(runs.values(), key=lambda run: (run.log.environment, run.log.seed))
    return ImportedArm(name, source, kept, sorted(left_out))


def _of_study(log: LogFolder, study: Study) -> LogFolder:
    """The same log with the id that the study has for its environment, which may name another module, or none."""
    ids = {plain_id(name): name for name in study.environments}
    environment = ids.get(plain_id(log.environment))
    if environment is None:
        raise UnreadableLog(f"ignored, {log.environment} is no environment of the study")
    return replace(log, environment=environment)


def _series(log: LogFolder, source: Imported, study: Study) -> Series:
    if source.returns == "evaluations":
        return evaluations(log.path)
    return training_episodes(log.path, study.judged(log.environment).every)


def _within_budget(series: Series, environment: str, study: Study) -> Series:
    """Drop what lies beyond the study's budget, and refuse a run that ended before it."""
    budget, last = study.steps(environment), study.judged(environment).last
    if series.timesteps[-1] + series.every <= budget:
        raise UnreadableLog(f"incomplete, its returns end at {series.timesteps[-1]} of the study's {budget} steps")
    inside = series.until(budget)
    if len(inside.returns) < last:
        raise UnreadableLog(f"too few returns, {len(inside.returns)} within {budget} steps where a score needs {last}")
    return inside
