"""What was decided with how many seeds, in a study whose number of seeds is not fixed."""

from __future__ import annotations

from sb3_ppo_variants.bench.report.document import Caution, Cell, Definition, Section, Table
from sb3_ppo_variants.bench.report.sections.cells import compared
from sb3_ppo_variants.bench.statistics.comparisons import LEVEL
from sb3_ppo_variants.bench.statistics.decisions import Decision, Decisions
from sb3_ppo_variants.bench.statistics.summary import Summary

CAUTION = (
    "Seeds were added until it was decided which arms differ. The intervals of means, medians, IQMs, curves, parts and "
    "settings are those of a fixed number of seeds: an arm that was decided early tends to look further from the "
    "baseline than it is. The p-values and the probabilities of beating the baseline allow for every look."
)


def decisions(summary: Summary, decided: Decisions) -> Section:
    """When each arm was decided, and by which test.

    :param summary: the numbers of the study
    :param decided: its decisions
    """
    rows = [
        [*compared(summary, arm), Cell(outcome(found, decided)), Cell(str(found.seeds), found.seeds)]
        for arm, found in decided.arms.items()
    ]
    looks = ", ".join(map(str, decided.until.looks))
    return Section(
        f"Against {summary.baseline}",
        table=Table(["arm", summary.beats, "p", "p after Holm", "decision", "seeds"], rows),
        definitions=[
            Definition(
                "Decision",
                [
                    f"looks at {looks} seeds of the arm and of {summary.baseline}. An arm differs if its p after Holm "
                    f"is at most {LEVEL} at a look. It is undecided, and gets no more seeds, at the last look, or if "
                    "the seeds that are left would not decide it even if it won, of their comparisons, the share at "
                    "the far end of the 95 % interval of those that it has won. It is open while runs of its next look "
                    "are missing; runs that failed are missing too."
                ],
            ),
            Definition(
                "p",
                [
                    "sequential p-value of a two-sided permutation test, in which the labels of arm and baseline are "
                    "permuted within each environment and each batch of seeds. It holds at every look at once: that it "
                    f"is ever below {LEVEL}, if nothing differs, has a probability of at most {LEVEL}."
                ],
            ),
            Definition(
                "p after Holm",
                [
                    "Holm's correction for the number of arms: it keeps the probability of any false positive, over "
                    f"all arms and all looks, below {100 * LEVEL:.0f} %."
                ],
            ),
            Definition(
                "Seeds, " + summary.beats,
                [
                    "number of seeds by which the arm is judged, and the probability over these seeds of both. Its "
                    "interval is longer than that of a fixed number of seeds, so that those of all looks hold at once."
                ],
            ),
        ],
    )


def outcome(found: Decision, decided: Decisions) -> str:
    """Say what is known of an arm.

    :param found: its decision
    :param decided: all decisions
    """
    if found.state == "differs":
        return f"differs, decided with {found.seeds} seeds"
    if found.state == "open":
        upcoming = next(look for look in decided.until.looks if look > found.seeds)
        return f"open, next look at {upcoming} seeds"
    if found.seeds == decided.until.most:
        return f"undecided with {found.seeds} seeds, the limit"
    return f"undecided with {found.seeds} seeds, more are unlikely to decide it"


def caution() -> Caution:
    """Say which intervals do not allow for the looks."""
    return Caution("Seeds until decided", CAUTION)
