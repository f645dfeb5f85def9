"""The tables of docs/table1.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.markdown import table
from benchmarks.table1 import scores
from benchmarks.table1.training import PUBLISHED, RANDOM
from sb3_ppo_variants.bench.statistics.falls import RunEvaluations, run_stability
from sb3_ppo_variants.bench.statistics.intervals import Estimate
from sb3_ppo_variants.bench.statistics.scores import seed_scores, split_runs
from sb3_ppo_variants.bench.study.keys import Environment
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.stored import read

UNLIMITED = "no_limit"


def progress(study: Study, rows: pd.DataFrame) -> str:
    """How much of the study is made, as a sentence or two.

    :param study: the study
    :param rows: of `training.csv`
    """
    made = int((rows["arm"] != RANDOM).sum())
    if made == len(study.runs):
        return f"All of its {made} runs are made."
    tasks = len({name for _, name in scores.scores(rows)})
    return (
        f"{made} of its {len(study.runs)} runs are made. Every setting has a run on {tasks} of "
        f"{len(study.environments)} tasks; the scores are those of these tasks."
    )


def settings_table(rows: pd.DataFrame) -> str:
    """The paper's table and ours side by side.

    :param rows: of `training.csv`
    """
    found, counts = scores.settings(rows), rows["arm"].value_counts()
    ended = rows[rows["ended"] != ""]["arm"].value_counts()
    cells = (
        [
            arm,
            f"{scores.PAPER[arm]:.2f}",
            f"{estimate.value:.2f}",
            _interval(estimate),
            str(counts.get(arm, 0)),
            str(ended.get(arm, 0)),
        ]
        for arm, estimate in found.items()
    )
    return table(["setting", "paper", "here", "95 % interval", "runs", "ended by a number that is not finite"], cells)


def order_table(rows: pd.DataFrame) -> str:
    """How many pairs of settings have the paper's order here, and how many of these our intervals decide.

    :param rows: of `training.csv`
    """
    found = scores.pairs(rows)
    orders = {
        "as in the paper": [pair for pair in found if pair.difference.value > 0],
        "the other way round": [pair for pair in found if pair.difference.value < 0],
    }
    cells = ([name, str(len(of_it)), str(sum(pair.is_decided for pair in of_it))] for name, of_it in orders.items())
    return table(["order here", "pairs", "whose interval excludes 0"], cells)


def decided_table(rows: pd.DataFrame) -> str:
    """The pairs whose order our intervals decide.

    :param rows: of `training.csv`
    """
    decided = sorted((pair for pair in scores.pairs(rows) if pair.is_decided), key=lambda pair: pair.difference.value)
    if not decided:
        return "No pair is decided."
    return _pairs_table(decided)


def best_table(rows: pd.DataFrame) -> str:
    """How far the paper's best setting is ahead of each other one.

    :param rows: of `training.csv`
    """
    best = max(scores.PAPER, key=lambda arm: scores.PAPER[arm])
    ahead = [pair for pair in scores.pairs(rows) if pair.better == best]
    return _pairs_table(sorted(ahead, key=lambda pair: pair.difference.value))


def _pairs_table(pairs: Iterable[scores.Pair]) -> str:
    cells = (
        [better, worse, f"{scores.PAPER[better] - scores.PAPER[worse]:.2f}", f"{by.value:.2f}", _interval(by)]
        for better, worse, by in pairs
    )
    return table(["better in the paper", "worse in the paper", "by", "by here", "95 % interval"], cells)


def task_table(rows: pd.DataFrame) -> str:
    """The mean scores of each setting on each task.

    :param rows: of `training.csv`
    """
    found = scores.scores(rows)
    tasks = list(dict.fromkeys(name for _, name in found))
    cells = ([arm, *(f"{np.mean(found[arm, name]):.2f}" for name in tasks)] for arm in scores.PAPER)
    return table(["setting", *tasks], cells)


def falls_table(study: Study, folder: Path = PUBLISHED) -> str:
    """How many runs of each setting climbed, and how many of these fell, on all tasks.

    :param study: falls are counted on its tasks with a random and a reference score
    :param folder: with the tables of its runs
    """
    stored = read(folder, study.runs)
    assert stored is not None
    found = Counter(
        (arm, what)
        for (arm, name), of_seeds in split_runs(stored.results).items()
        for rows in of_seeds.values()
        for what in _course(rows, study.environments[name])
    )
    counts = ("runs", "climbed", "fell", "fell and recovered from each fall")
    return table(["setting", *counts], ([arm, *(str(found[arm, what]) for what in counts)] for arm in scores.PAPER))


def unlimited_table(study: Study, folder: Path = PUBLISHED) -> str:
    """How high each run without a limit rose and where it ended, by its evaluations.

    :param study: the study
    :param folder: with the tables of its runs
    """
    stored = read(folder, study.runs)
    assert stored is not None
    runs = split_runs(stored.results)
    ends = seed_scores(runs, study)
    cells = []
    for name, task in study.environments.items():
        of_seeds = runs.get((UNLIMITED, name), {})
        best = [rows["mean_return"].max() for rows in of_seeds.values()]
        last = [ends[UNLIMITED, name][seed] for seed in of_seeds]
        cells.append(
            [name, *(", ".join(f"{value:.0f}" for value in of_it) for of_it in ([task.random_score], best, last))]
        )
    return table(["task", "random policy", "highest evaluation of each run", "last evaluations of each run"], cells)


def _course(rows: pd.DataFrame, task: Environment) -> Iterator[str]:
    yield "runs"
    if task.random_score is None or task.reference_score is None:
        return
    columns = ("timesteps", "mean_return", "std_return", "episodes")
    evaluations = RunEvaluations(*(rows[column].to_numpy(dtype=float) for column in columns))
    found = run_stability(evaluations, task.random_score, task.reference_score)
    if found.climbed:
        yield "climbed"
    if found.climbed and found.falls:
        yield "fell"
        if all(fall.recovered for fall in found.falls):
            yield "fell and recovered from each fall"


def _interval(estimate: Estimate) -> str:
    return "n/a" if np.isnan(estimate.low) else f"{estimate.low:.2f} to {estimate.high:.2f}"


# Tables of the study's own tables.
OF_STUDY: dict[str, Callable[[Study], str]] = {"falls": falls_table, "unlimited": unlimited_table}
# Tables of `training.csv`.
OF_TRAINING: dict[str, Callable[[pd.DataFrame], str]] = {
    "settings": settings_table,
    "order": order_table,
    "decided": decided_table,
    "best": best_table,
    "tasks": task_table,
}
