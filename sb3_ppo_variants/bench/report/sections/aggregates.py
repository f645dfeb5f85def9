"""The other aggregates of the normalised scores, and their whole distribution."""

from __future__ import annotations

from sb3_ppo_variants.bench.report.document import Cell, Definition, Panel, Section, Table
from sb3_ppo_variants.bench.report.numbers import interval
from sb3_ppo_variants.bench.report.sections.cells import arm_cells
from sb3_ppo_variants.bench.statistics.summary import Summary


def aggregates(summary: Summary) -> Section:
    """Median, mean and optimality gap.

    :param summary: the numbers of the study
    """
    heads = arm_cells(summary)
    rows = [
        [heads[arm], *(Cell(interval(e), e.value) for e in (found.median, found.mean, found.optimality_gap))]
        for arm, found in summary.aggregates.items()
    ]
    return Section(
        "Aggregates",
        table=Table(["arm", "median", "mean", "optimality gap"], rows),
        notes=[
            "Of the normalised scores, with equal weight for every environment and intervals as for the mean returns."
        ],
        definitions=[
            Definition(
                "Median, mean",
                [
                    "over the environments, of the mean score in each. The median ignores half of the environments "
                    "and the mean follows outliers; the IQM stands between them."
                ],
            ),
            Definition(
                "Optimality gap",
                ["mean amount by which runs stay below a score of 1; less is better. A score above 1 counts as 1."],
            ),
        ],
    )


def profiles(figure: Panel) -> Section:
    """Performance profiles.

    :param figure: the profiles
    """
    note = (
        "Share of an arm's runs above each normalised score, with equal weight for every environment; the higher "
        "curve is better. Bands are Wilson's 95 % intervals."
    )
    return Section("Performance profiles", level=3, figure=figure, notes=[note])
