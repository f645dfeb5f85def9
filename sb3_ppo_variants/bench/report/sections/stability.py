"""How often runs fall, and how soon they recover."""

from __future__ import annotations

from sb3_ppo_variants.bench.report.document import Cell, Definition, Section, Table
from sb3_ppo_variants.bench.report.figures.colours import colours_of
from sb3_ppo_variants.bench.report.numbers import small, steps
from sb3_ppo_variants.bench.report.sections.cells import arm_cells, share
from sb3_ppo_variants.bench.statistics.falls import CLIMBED, ERRORS, FALLEN, RECOVERED
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.run import plain_id

COLUMNS = ["arm", "environment", "climbed", "fell", "falls per run", "recoveries", "median recovery", "false falls"]
DEFINITIONS = [
    Definition(
        "Climbed",
        [
            f"share of the runs whose best reached {CLIMBED:g} on the way from the random score (0) to the reference "
            "score (1), with Wilson's 95 % interval. The best is the running maximum of the median of 3 evaluations."
        ],
    ),
    Definition(
        "Fell, falls per run",
        [
            f"of the runs that climbed. A fall is two evaluations in a row below {FALLEN:g} times the best by more "
            f"than {ERRORS:g} standard errors; it is over above {RECOVERED:g} times the best."
        ],
    ),
    Definition(
        "Median recovery",
        [
            "environment steps until half of the falls are over (Kaplan-Meier estimate; falls without a recovery are "
            "censored)."
        ],
    ),
    Definition(
        "False falls",
        [
            "share of simulated runs of a constant policy that would seem to fall, with the noise of these "
            "evaluations. Falls at about this rate are no sign of instability."
        ],
    ),
]


def stability(summary: Summary) -> Section:
    """Falls and recoveries.

    :param summary: the numbers of the study
    """
    heads, colour = arm_cells(summary), colours_of(summary.arms)
    rows = [
        [
            heads[arm],
            Cell(plain_id(environment)),
            share(found.climbed, colour[arm]),
            share(found.fell, colour[arm]),
            Cell(small(found.falls_per_run), found.falls_per_run),
            Cell(f"{found.recoveries} of {found.falls}", found.recoveries),
            Cell(steps(found.median_recovery), found.median_recovery),
            Cell(small(found.false_fall_rate), found.false_fall_rate),
        ]
        for (arm, environment), found in summary.stability.found.items()
    ]
    left_out = summary.stability.left_out.items()
    return Section(
        "Stability",
        table=Table(COLUMNS, rows) if rows else None,
        notes=[f"{environment} is left out: {reason}." for environment, reason in left_out],
        definitions=DEFINITIONS if rows else [],
    )
