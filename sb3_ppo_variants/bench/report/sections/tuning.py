"""How hard every arm was tuned, what that found, and how good its other arguments are."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sb3_ppo_variants.bench.report.document import Cell, Definition, Panel, Section, Table
from sb3_ppo_variants.bench.report.numbers import fixed, number, small
from sb3_ppo_variants.bench.report.sections.cells import arm_cells, missing
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.run import plain_id
from sb3_ppo_variants.bench.tuning.numbers import SearchNumbers

METRICS = {
    "score": "the score of the study, the mean return of the last evaluations",
    "area": "the mean return of all evaluations, which is the area under the learning curve",
}
SAMPLERS = {"tpe": "tree-structured Parzen estimator", "random": "random search"}


def tuning(found: Sequence[SearchNumbers], summary: Summary, panels: Mapping[str, Panel]) -> Iterator[Section]:
    """Budget and scores of each arm, the figures, its best arguments and their importance.

    :param found: the searches of all arms
    :param summary: the numbers of the study
    :param panels: the figures, by name
    """
    yield _budget(found, summary)
    yield Section(panels["tuning"].title, level=3, figure=panels["tuning"])
    yield Section(
        panels["tuning-scores"].title,
        level=3,
        figure=panels["tuning-scores"],
        notes=[
            "Share of an arm's trials that are at least as good; the higher curve is better. An arm whose curve is "
            "high at its right end alone needs tuning to be good."
        ],
    )
    yield _best(found, summary)
    yield _importances(found, summary)


def _budget(found: Sequence[SearchNumbers], summary: Summary) -> Section:
    heads, tune = arm_cells(summary), found[0].search.tune
    seeds = f"{tune.run_seeds[0]}" + (f" to {tune.run_seeds[-1]}" if tune.seeds > 1 else "")
    columns = ["arm", "environment", "trials", "runs", "steps", "best", "median", "quartiles", "median of best"]
    rows = []
    for each in found:
        search, (low, high) = each.search, each.quartiles
        trials = len(search.trials)
        share = _share(each, found)
        rows.append(
            [
                heads[search.arm],
                Cell(plain_id(search.environment)),
                Cell(f"{trials} ({each.failed} failed)" if each.failed else f"{trials}", trials),
                *(Cell(str(count), count) for count in (trials * tune.seeds, trials * search.steps_of_trial)),
                *(Cell(number(score), score) for score in (each.best_so_far[-1], each.median)),
                Cell(f"{number(low)} to {number(high)}", low),
                missing("n/a") if math.isnan(share) else Cell(f"{fixed(100 * share, 0)} %", share),
            ]
        )
    return Section(
        "Tuning",
        table=Table(columns, rows),
        notes=[
            f"Before the runs of the study, every arm had {tune.trials} trials in every environment, with the same "
            f"number of steps ({SAMPLERS[tune.sampler]}, {tune.batch} trials at a time). A trial is the mean over "
            f"{tune.seeds} runs, with the seeds {seeds}, of {METRICS[tune.metric]}. Its best trial gave each arm its "
            "arguments; the study has other seeds, because the best score of many trials is too high."
        ],
        definitions=[
            Definition(
                "Median, quartiles",
                [
                    "of the scores of all trials of the arm. A trial with a run that failed, or whose score is not "
                    "finite, counts as the worst one."
                ],
            ),
            Definition(
                "Median of best",
                [
                    "how far the median trial gets, as a share of the way from the random score of the environment to "
                    "the best trial of the arm; from the worst trial of any arm, where the study file gives no random "
                    "score."
                ],
            ),
        ],
    )


def _share(each: SearchNumbers, found: Sequence[SearchNumbers]) -> float:
    """The median trial on the way from a random policy, or else from the worst trial of any arm, to the best one."""
    search = each.search
    low = search.study.environments[search.environment].random_score
    if low is None:
        beside = (other.search for other in found if other.search.environment == search.environment)
        low = min(trial.score for other in beside for trial in other.trials if not trial.failed)
    best = each.best_so_far[-1]
    return (each.median - low) / (best - low) if best > low else math.nan


def _best(found: Sequence[SearchNumbers], summary: Summary) -> Section:
    heads = arm_cells(summary)
    rows = []
    for each in found:
        best = each.search.best
        assert best is not None
        values = [f"{name} {_value(value)}" for name, value in best.arguments.items()]
        rows.append([heads[each.search.arm], Cell(plain_id(each.search.environment)), Cell(", ".join(values))])
    note = "Rounded; trials.csv has all digits. Arguments that were not tuned are as the study file says."
    return Section("Best arguments", level=3, table=Table(["arm", "environment", "arguments"], rows), notes=[note])


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value).strip('"')


def _importances(found: Sequence[SearchNumbers], summary: Summary) -> Section:
    heads = arm_cells(summary)
    names = list(dict.fromkeys(name for each in found for name in each.search.space))
    rows = [
        [
            heads[each.search.arm],
            Cell(plain_id(each.search.environment)),
            *(_importance(each.importances, name) for name in names),
        ]
        for each in found
    ]
    known = any(each.importances for each in found)
    notes = [
        "How much an argument decides whether a trial is among the best quarter, as a share of all arguments "
        "(PED-ANOVA, Watanabe et al. 2023). With a few dozen trials this is a rough guess."
        if known
        else "Not known: all trials are equally good, or Optuna is not installed here."
    ]
    table = Table(["arm", "environment", *names], rows) if known else None
    return Section("Importance of arguments", level=3, table=table, notes=notes)


def _importance(importances: dict[str, float] | None, name: str) -> Cell:
    share = (importances or {}).get(name)
    return missing("") if share is None else Cell(small(share), share)
