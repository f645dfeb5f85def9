"""Every arm against the baseline, and what the seeds can show."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sb3_ppo_variants.bench.report.document import Cell, Definition, Section, Table
from sb3_ppo_variants.bench.report.numbers import detected, fixed, p_value
from sb3_ppo_variants.bench.report.sections.cells import arm_cells, compared, missing
from sb3_ppo_variants.bench.statistics.comparisons import LEVEL
from sb3_ppo_variants.bench.statistics.permutations import is_exact
from sb3_ppo_variants.bench.statistics.power import POWER, Detectable
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.messages import counted


def comparisons(summary: Summary) -> Section:
    """Tests against the baseline.

    :param summary: the numbers of the study, with comparisons
    """
    rows = [
        [
            *compared(summary, arm),
            Cell("yes" if found.differs else "not shown"),
            Cell(p_value(found.least_p_value), found.least_p_value),
        ]
        for arm, found in summary.comparisons.items()
    ]
    return Section(
        f"Against {summary.baseline}",
        table=Table(["arm", summary.beats, "p", "p after Holm", "differs", "least p possible"], rows),
        definitions=[
            Definition(
                "p",
                [
                    f"two-sided permutation test of {summary.beats}: twice the share, of all ways to permute the "
                    "labels of arm and baseline within each environment, that is at least as extreme.",
                    *_approximated(summary),
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


def _approximated(summary: Summary) -> Iterator[str]:
    """Say of which arms the p is not exact."""
    counts, baseline = summary.counts, summary.arms[0]
    arms = [
        summary.labels[arm]
        for arm, found in summary.comparisons.items()
        if not is_exact([(counts[arm, name], counts[baseline, name]) for name in found.environments])
    ]
    if arms:
        yield f"Of so many runs it is that of a normal distribution, for {', '.join(arms)}."


def every_pair(summary: Summary) -> Section:
    """Probability that a run of an arm beats one of another, for every pair.

    :param summary: the numbers of the study, with pairs
    """
    heads = arm_cells(summary)
    rows = [[heads[arm], *(_won(summary, arm, other) for other in summary.arms)] for arm in summary.arms]
    # A pair of which one arm has no score is not tested.
    tested = sum(not math.isnan(found.p_value) for found in summary.pairs.values())
    note = (
        "Probability that a run of the row's arm scores above a run of the column's, with ties counted as one half. "
        f"A star marks the pairs that differ: their p is at most {LEVEL} after Holm's correction for all "
        f"{counted(tested, 'pair')}, which asks for more than the correction for the comparisons with "
        f"{summary.baseline} alone. ppo-bench compare shows a single pair with its intervals."
    )
    table = Table(["arm", *(summary.labels[arm] for arm in summary.arms)], rows)
    return Section("Every pair", level=3, table=table, notes=[note])


def _won(summary: Summary, arm: str, other: str) -> Cell:
    """P(arm beats other); the matrix has each pair twice."""
    if arm == other:
        return missing("")
    mirrored = (arm, other) not in summary.pairs
    found = summary.pairs[(other, arm) if mirrored else (arm, other)]
    value = found.improvement.value
    value = 1 - value if mirrored else value
    return missing("n/a") if math.isnan(value) else Cell(fixed(value, 2) + (" *" if found.differs else ""), value)


def detectable_differences(summary: Summary) -> Section:
    """What a comparison with these seeds can detect.

    :param summary: the numbers of the study, with comparisons
    """
    heads = arm_cells(summary)
    several = len(summary.environments) > 1
    rows = []
    for arm in summary.comparisons:
        found = summary.detectable.get(arm)
        rows.append([heads[arm], *_detectable(found, summary.environments)])
        if several:
            rows[-1].append(missing("n/a") if found is None else _deviations(found.everywhere))
    note = (
        f"The smallest difference to {summary.baseline} that the test above, with these seeds and after Holm's "
        f"correction, finds with a probability of {100 * POWER:.0f} %: simulated with normal scores, in standard "
        "deviations of a run"
    )
    columns = ["arm", *summary.headings]
    if several:
        columns.append("all environments")
        note += (
            ". In the column of an environment the arm differs in that one alone, and no size of such a difference may "
            "be enough; in the last column it differs as much in every environment"
        )
    return Section("What these seeds can show", level=3, table=Table(columns, rows), notes=[f"{note}."])


def _detectable(found: Detectable | None, environments: list[str]) -> list[Cell]:
    known = {} if found is None else found.alone
    return [
        missing("n/a")
        if found is None or name not in known
        else Cell(detected(known[name], found.scores[name]), known[name])
        for name in environments
    ]


def _deviations(effect: float) -> Cell:
    return Cell(detected(effect, float("nan")), effect)
