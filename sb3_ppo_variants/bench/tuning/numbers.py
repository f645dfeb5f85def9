"""What a tuning says of an arm in an environment: what it cost, what it found, and how much the arguments matter."""

from __future__ import annotations

import importlib.util
import itertools
import math
from dataclasses import dataclass

import numpy as np

from sb3_ppo_variants.bench.statistics.intervals import Array
from sb3_ppo_variants.bench.tuning.search import Search


@dataclass(frozen=True)
class SearchNumbers:
    """The numbers of a search.

    :param search: with its trials
    :param failed: number of failed trials
    :param best_so_far: greatest score of the trials up to each one; NaN before the first that did not fail
    :param median: of the scores of all trials, a failed one as bad as the worst; NaN when all failed
    :param quartiles: the lower and the upper one
    :param importances: argument -> its share, greatest first; None where Optuna is not installed
    """

    search: Search
    failed: int
    best_so_far: tuple[float, ...]
    median: float
    quartiles: tuple[float, float]
    importances: dict[str, float] | None


def numbers_of(search: Search) -> SearchNumbers:
    """Compute the numbers of a search.

    :param search: with its trials
    """
    low, median, high = _quantiles(finite_scores(search))
    greatest = itertools.accumulate((trial.score for trial in search.trials), max)
    return SearchNumbers(
        search=search,
        failed=sum(trial.failed for trial in search.trials),
        best_so_far=tuple(score if math.isfinite(score) else math.nan for score in greatest),
        median=median,
        quartiles=(low, high),
        importances=_importances(search),
    )


def finite_scores(search: Search) -> Array:
    """The score of each trial, that of a failed one as bad as the worst of the others; empty when all failed.

    :param search: with its trials
    """
    worst = min((trial.score for trial in search.trials if not trial.failed), default=math.nan)
    scores = [worst if trial.failed else trial.score for trial in search.trials]
    return np.array([] if math.isnan(worst) else scores)


def _quantiles(scores: Array) -> tuple[float, float, float]:
    if not len(scores):
        return math.nan, math.nan, math.nan
    low, median, high = np.quantile(scores, [0.25, 0.5, 0.75]).tolist()
    return low, median, high


def _importances(search: Search) -> dict[str, float] | None:
    if importlib.util.find_spec("optuna") is None:
        return None
    from sb3_ppo_variants.bench.tuning.sampler import importances

    return importances(search)
