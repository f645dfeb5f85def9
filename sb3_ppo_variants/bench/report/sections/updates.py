"""How far updates moved the policy, and the coefficients that limit them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from sb3_ppo_variants.bench.report.document import Cell, Panel, Section, Table
from sb3_ppo_variants.bench.report.figures.updates import POINTS
from sb3_ppo_variants.bench.report.numbers import spread
from sb3_ppo_variants.bench.report.sections.cells import arm_cells, missing
from sb3_ppo_variants.bench.statistics.summary import Summary, update_sizes
from sb3_ppo_variants.bench.table.numbers import UPDATES_OF_RUN

SIZES = (
    "Exact KL(old || new) of one update, in nats: median over all updates of all seeds (10 % to 90 % of them). Of a "
    f"run with more than {UPDATES_OF_RUN} updates every n-th counts."
)
FIGURES = (
    "The figures show the mean over the seeds, with bands from the least to the greatest seed. approx_kl is SB3's "
    "estimate over the last epoch of an update; the exact KL is a mean over the whole rollout after the update, for "
    "arms that log it. SB3 writes the values of an update with the next dump of its log, so each point lies up to "
    f"one rollout to the right. For runs with more than {POINTS} updates, a point is the median over a hundredth of "
    "the steps. Coefficients are shown if they change, and not in the same way in all arms. clip_range is that of the "
    "log, which arms without a clip write too."
)


def updates(table: pd.DataFrame, summary: Summary, figures: Sequence[Panel]) -> Iterator[Section]:
    """The table of all arms, then the figure of each environment.

    :param table: the updates table
    :param summary: the numbers of the study
    :param figures: one per environment
    """
    sizes = _sizes(table, summary)
    notes = [SIZES, FIGURES] if sizes else [FIGURES]
    yield Section("KL and coefficients", table=sizes, notes=notes)
    for figure in figures:
        yield Section(figure.title, level=3, figure=figure)


def _sizes(table: pd.DataFrame, summary: Summary) -> Table | None:
    heads, sizes = arm_cells(summary), update_sizes(table)
    rows = []
    for arm in summary.arms:
        found = [sizes.get((arm, environment)) for environment in summary.environments]
        rows.append([heads[arm], *(missing("not logged") if e is None else Cell(spread(e), e.value) for e in found)])
    return Table(["arm", *summary.headings], rows) if sizes else None
