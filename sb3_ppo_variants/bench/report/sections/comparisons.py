"""Every arm against stock PPO, and what the seeds can show."""

from __future__ import annotations

from sb3_ppo_variants.bench.report.document import Cell, Definition, Section, Table
from sb3_ppo_variants.bench.report.numbers import detected, small
from sb3_ppo_variants.bench.report.sections.cells import arm_cells, colours, missing, share
from sb3_ppo_variants.bench.statistics.comparisons import LEVEL, PERMUTATIONS
from sb3_ppo_variants.bench.statistics.power import POWER
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.study import Study


def comparisons(study: Study, summary: Summary) -> Section:
    """Tests against stock PPO.

    :param study: the study
    :param summary: its numbers, with comparisons
    """
    heads, colour = arm_cells(summary), colours(summary)
    rows = [
        [
            heads[arm],
            share(found.improvement, colour[arm], mark=0.5),
            *(Cell(small(p), p) for p in (found.p_value, found.adjusted_p_value)),
            Cell("yes" if found.differs else "not shown"),
            Cell(small(found.least_p_value), found.least_p_value),
        ]
        for arm, found in summary.comparisons.items()
    ]
    return Section(
        "Against stock PPO",
        table=Table(["arm", "P(beats PPO)", "p", "p after Holm", "differs", "least p possible"], rows),
        definitions=[
            Definition(
                "p",
                [
                    "two-sided permutation test of P(beats PPO), in which the labels of arm and baseline are permuted "
                    f"within each environment ({PERMUTATIONS} times, seed {study.bootstrap.seed})."
                ],
            ),
            Definition(
                "p after Holm",
                [
                    "Holm's correction for the number of arms: it keeps the probability of any false positive below "
                    f"{LEVEL:.0%}. An arm differs if this p is at most {LEVEL}.".replace("%", " %")
                ],
            ),
            Definition("Least p possible", ["the p of an arm that wins every comparison with these numbers of runs."]),
        ],
    )


def detectable_differences(summary: Summary) -> Section:
    """What a comparison with these seeds can detect.

    :param summary: the numbers of the study, with comparisons
    """
    heads = arm_cells(summary)
    rows = []
    for arm in summary.comparisons:
        found = [summary.detectable.get((arm, environment)) for environment in summary.environments]
        rows.append([heads[arm], *(missing("n/a") if d is None else Cell(detected(d), d.score) for d in found)])
    note = (
        "The smallest difference to stock PPO that a t-test with these seeds would find with a probability of "
        f"{100 * POWER:.0f} % ({100 * LEVEL:.0f} % level, two-sided), in returns and in standard deviations of a run."
    )
    return Section(
        "What these seeds can show", level=3, table=Table(["arm", *summary.environments], rows), notes=[note]
    )
