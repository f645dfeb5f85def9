"""Which figures a study has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from sb3_ppo_variants.bench.report.document import slugs
from sb3_ppo_variants.bench.report.figures.efficiency import efficiency
from sb3_ppo_variants.bench.report.figures.heat_maps import heat_map
from sb3_ppo_variants.bench.report.figures.intervals import intervals
from sb3_ppo_variants.bench.report.figures.learning_curves import learning_curves
from sb3_ppo_variants.bench.report.figures.profiles import profiles
from sb3_ppo_variants.bench.report.figures.style import Drawing
from sb3_ppo_variants.bench.report.figures.tuning import best_so_far, trial_scores
from sb3_ppo_variants.bench.report.figures.updates import updates
from sb3_ppo_variants.bench.statistics.scores import known_returns, of_metric
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.run import plain_id
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.tuning.numbers import SearchNumbers


def drawings(
    study: Study,
    results: pd.DataFrame,
    changes: pd.DataFrame,
    summaries: Sequence[Summary],
    tuning: Sequence[SearchNumbers],
) -> dict[str, Callable[[], Drawing]]:
    """What draws each figure of a study, by the names of their files.

    :param study: the study
    :param results: the results table
    :param changes: the updates table
    :param summaries: the numbers of each metric
    :param tuning: the searches of its arms
    """
    summary, metrics = summaries[0], slugs(each.metric for each in summaries)
    found: dict[str, Callable[[], Drawing]] = {}
    for each in summaries:
        name = "curves" if each is summary else f"curves-{metrics[each.metric]}"
        rows = known_returns(of_metric(results, each.metric))
        # Arms that are chosen for a figure may all lack a metric.
        if rows["arm"].isin(list(each.labels)).any():
            found[name] = partial(learning_curves, rows, each)
    found["intervals"] = partial(intervals, summary)
    if summary.profiles:
        found["profiles"] = partial(profiles, summary)
    if summary.curves.steps:
        found["efficiency"] = partial(efficiency, summary)
    grids = {name: effects for name, effects in summary.effects.items() if effects.cells}
    for name, slug in slugs(grids).items():
        found[f"grid-{slug}"] = partial(heat_map, name, grids[name], summary)
    if tuning:
        found["tuning"] = partial(best_so_far, tuning, summary)
        found["tuning-scores"] = partial(trial_scores, tuning, summary)
    coefficients = sorted({name for run in study.runs for name in (*run.arguments, *run.defaults)})
    names = slugs(study.environments)
    for environment, rows in changes.groupby("environment", sort=False):
        name = str(environment)
        found[f"updates-{names[name]}"] = partial(
            updates, rows, plain_id(name), summary.arms, summary.labels, coefficients
        )
    return found
