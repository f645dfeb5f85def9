"""The metrics that the runs of a study have recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from sb3_ppo_variants.bench.runs.evaluation import INFOS_FILE
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.keys import NO_METRICS, RETURN, SUCCESS
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.messages import nearest


def check_metrics(study: Study, results: pd.DataFrame, folders: Folders) -> None:
    """Check that some run has recorded each metric of the study.

    :param study: the study
    :param results: the results table
    :param folders: of the study, whose runs have the other keys of infos
    :raises FileNotFoundError: naming what the runs have recorded
    """
    recorded = {str(name) for name in results if name not in NO_METRICS and results[name].notna().any()}
    lacking = [metric for metric in study.metrics if metric not in {RETURN, *recorded}]
    if not lacking:
        return
    keys = sorted(set(_keys(study, folders)) | (recorded - {SUCCESS}))
    infos = "no numbers" if not keys else f"the number{'s' * (len(keys) > 1)} {', '.join(keys)}"
    known = [RETURN, *recorded, *keys]
    near = {metric: nearest(metric, [name for name in known if name != metric]) for metric in lacking}
    named = ", ".join(f"{metric} (did you mean {hint}?)" if hint else metric for metric, hint in near.items())
    meant = f"{SUCCESS} is the share of episodes whose last info has a true is_success. " if SUCCESS in lacking else ""
    raise FileNotFoundError(
        f"metrics: no finished run has recorded {named}. {meant}The infos at the end of episodes had {infos}. "
        "Correct metrics in the study file, and ppo-bench report makes the report; the runs stay as they are."
    )


def _keys(study: Study, folders: Folders) -> Iterator[str]:
    """The keys of infos of the finished runs."""
    for run in study.runs:
        path = folders.finished(run) / INFOS_FILE
        if path.exists():
            yield from pd.read_csv(path, usecols=["key"])["key"].astype(str)
