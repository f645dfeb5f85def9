"""What makes the numbers of a report weaker, to be said before them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sb3_ppo_variants.bench.report.document import Caution, Section
from sb3_ppo_variants.bench.runs.provenance import distinct
from sb3_ppo_variants.bench.statistics.scores import Shortfall
from sb3_ppo_variants.bench.statistics.summary import Summary
from sb3_ppo_variants.bench.study.keys import RETURN
from sb3_ppo_variants.bench.study.run import plain_id
from sb3_ppo_variants.bench.table.table import Tables
from sb3_ppo_variants.messages import counted

# Below so many seeds an interval of a mean can hold much less than it says (benchmarks/coverage.py).
FEW = 10


def cautions(
    summaries: Sequence[Summary], tables: Tables, run: Section, failed: Section | None, left_out: Sequence[str] = ()
) -> Iterator[Caution]:
    """Say what holds of this study.

    :param summaries: its numbers, for each metric
    :param tables: its tables
    :param run: the section that lists versions
    :param failed: the section of failed runs
    :param left_out: folders that no number comes from, with the reasons
    """
    yield from few_seeds(summaries[0])
    if len(distinct(record["provenance"]["versions"] for record in tables.records)) > 1:
        yield Caution(
            "Mixed versions",
            "These runs were made with different versions of packages that can change results, and were compared on "
            "request.",
            section=run,
        )
    if failed is not None and failed.table is not None:
        count = len(failed.table.rows)
        yield Caution(counted(count, "failed run"), "No number includes them.", section=failed)
    if any(record.get("ended") for record in tables.records):
        yield Caution(
            "Runs that ended early",
            "A run that a callback ends keeps its last evaluation. If a good evaluation ended it, that was by chance "
            "better than the policy is, and so is the score.",
            section=run,
        )
    # Of further metrics most lines are the same.
    lacking = [*dict.fromkeys(line for each in summaries for line in shortfalls(each))]
    lacking += [f"left out: {line}" for line in left_out]
    if lacking:
        yield Caution("Incomplete", "Each number is computed from the seeds that are there.", items=lacking)


def few_seeds(summary: Summary) -> Iterator[Caution]:
    """Warn of an interval of a mean that holds less than it says.

    :param summary: the numbers of the study
    """
    fewest = min(summary.counts.values())
    if fewest < FEW:
        yield Caution("Few seeds", too_few(fewest))


def too_few(fewest: int) -> str:
    """Say what an interval of a mean holds with few seeds.

    :param fewest: number of finished seeds
    """
    return (
        f"At least one cell of the table is a mean over {counted(fewest, 'seed')}. Where a quarter "
        "of the runs fails, its 95 % interval contains the true value in 84 % of cases with 3 seeds and in 82 % with "
        "5, because often none of so few runs fails; with 10 seeds in 94 %."
    )


def shortfalls(summary: Summary) -> Iterator[str]:
    """Say what is missing, in one line for the arms that lack the same in an environment.

    :param summary: the numbers of the study
    """
    arms: dict[tuple[str, str], list[str]] = {}
    for lack in summary.shortfalls:
        arms.setdefault((lack.environment, _lacking(lack, summary.metric)), []).append(lack.arm)
    for (environment, lacking), those in arms.items():
        who = "every arm" if len(those) == len(summary.arms) > 1 else ", ".join(those)
        yield f"{plain_id(environment)}, {who}: {lacking}"


def _lacking(lack: Shortfall, metric: str) -> str:
    unknown = "returns that are not finite in" if metric == RETURN else f"no {metric} in the last evaluations of"
    found = {
        "no finished run of" if metric == RETURN else f"no finished run with {metric} of": lack.missing,
        "fewer evaluations than a score takes in": lack.short,
        unknown: lack.not_finite,
    }
    return "; ".join(f"{what} seed {', '.join(map(str, seeds))}" for what, seeds in found.items() if seeds)
