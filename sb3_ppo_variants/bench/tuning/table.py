"""``trials.csv``: the trials of a study, which are never made again while they are there."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_ppo_variants.bench.replacing import replacing
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.tuning.search import Search, Trial, searches

TRIALS_FILE = "trials.csv"
TEXTS = ("arm", "environment", "search", "scores", "arguments")
KEYS = ["arm", "environment", "search", "trial"]
COLUMNS = [*KEYS, "state", "score", "steps", "scores", "arguments"]


class NotTuned(Exception):
    """Why the best arguments of the arms of a study are not known; the message is for the user."""


def read_searches(study: Study, folders: Folders) -> list[Search]:
    """The searches of a study with the trials that ``trials.csv`` has of them.

    :param study: as its file says
    :param folders: its folders
    :raises NotTuned: when the file is damaged
    """
    path = folders.root / TRIALS_FILE
    found = searches(study)
    if not (found and path.exists()):
        return found
    try:
        return _with_trials(found, _read(path))
    except Exception as error:  # whatever pandas says of a damaged table
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise NotTuned(f"{path} cannot be read ({reason}); without the file, all trials are made again") from error


def write_searches(found: Iterable[Search], folders: Folders) -> None:
    """Add trials to ``trials.csv``; those of searches with other settings stay.

    :param found: searches with all trials that are known
    :param folders: of their study
    """
    folders.root.mkdir(parents=True, exist_ok=True)
    path = folders.root / TRIALS_FILE
    rows = pd.DataFrame([_row(search, trial) for search in found for trial in search.trials], columns=COLUMNS)
    with folders.locked():
        if path.exists():
            rows = pd.concat([_read(path), rows]).drop_duplicates(KEYS)
        with replacing(path) as temporary:
            rows.sort_values(KEYS).to_csv(temporary, index=False, lineterminator="\n")


def _row(search: Search, trial: Trial) -> dict[str, Any]:
    return {
        "arm": search.arm,
        "environment": search.environment,
        "search": search.identity,
        "trial": trial.number,
        "state": "failed" if trial.failed else "finished",
        # Every number as the fewest digits that read back to it, and nothing for none.
        "score": "" if trial.failed else repr(trial.score),
        "steps": search.steps_of_trial,
        "scores": json.dumps([score if math.isfinite(score) else None for score in trial.scores]),
        "arguments": json.dumps(trial.arguments),
    }


def _read(path: Path) -> pd.DataFrame:
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        raise ValueError("it ends within a line")
    # The score is for readers; it is computed from those of the runs.
    texts = dict.fromkeys([*TEXTS, "state", "score"], str)
    return pd.read_csv(io.BytesIO(content), dtype=texts, keep_default_na=False)[COLUMNS]


def _with_trials(found: Sequence[Search], rows: pd.DataFrame) -> list[Search]:
    known: dict[tuple[str, str, str], list[Trial]] = {}
    for row in rows.to_dict("records"):
        scores = (math.nan if score is None else float(score) for score in json.loads(row["scores"]))
        trial = Trial(int(row["trial"]), json.loads(row["arguments"]), tuple(scores))
        known.setdefault((row["arm"], row["environment"], row["search"]), []).append(trial)
    return [replace(each, trials=_checked(each, known)) for each in found]


def _checked(search: Search, known: dict[tuple[str, str, str], list[Trial]]) -> tuple[Trial, ...]:
    trials = known.get((search.arm, search.environment, search.identity), [])
    names = set(search.space)
    for number, trial in enumerate(trials):
        if trial.number != number or set(trial.arguments) != names or len(trial.scores) != search.tune.seeds:
            raise ValueError(f"trial {number} of {search.arm} on {search.environment} is not whole")
    return tuple(trials[: search.tune.trials])
