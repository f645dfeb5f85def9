"""The runs of a published study."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from sb3_ppo_variants.bench.statistics.scores import Runs, split_runs
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.stored import read


def published_runs(study: Study, folder: Path, arms: Collection[str]) -> Runs:
    """The rows of the results table, by arm and environment, then by seed.

    :param study: the study
    :param folder: with the tables of its runs
    :param arms: names of arms of which there must be a run in each environment
    :raises FileNotFoundError: when there is none
    """
    stored = read(folder, study.runs)
    found = {} if stored is None or stored.results.empty else split_runs(stored.results)
    missing = [f"{arm} on {name}" for arm in arms for name in study.environments if (arm, name) not in found]
    if missing:
        raise FileNotFoundError(f"{folder} has no finished run of {', '.join(missing)}")
    return found
