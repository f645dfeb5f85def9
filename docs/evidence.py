"""What the published studies say of two arms, for the page that says which variant to use.

A claim is written as ``cliff: clip,x10 below ppo``. It is filled in as a row with its numbers, and is an error when the
study does not say so.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.markdown import table
from sb3_ppo_variants.bench.statistics.comparisons import Comparison, compare, difference_interval
from sb3_ppo_variants.bench.statistics.intervals import Array, Estimate, normalise
from sb3_ppo_variants.bench.statistics.scores import scale, scores, split_runs
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.files import ROUND_TRIP
from sb3_ppo_variants.bench.validation import read_study

ROOT = Path(__file__).parents[1]
CLAIM = re.compile(r"(?P<study>\w+): (?P<arm>\S+) (?P<verdict>above|below|undecided) (?P<other>\S+)")
HEADING = ["study", "arm", "compared with", "difference", "95 % interval", "P(higher)", "p after Holm"]


class Claim(NamedTuple):
    """What a study says of an arm and another one.

    :param study: name of a published study
    :param arm: name of an arm
    :param verdict: ``above`` or ``below`` where they differ, else ``undecided``
    :param other: name of the other arm
    """

    study: str
    arm: str
    verdict: str
    other: str


class Found(NamedTuple):
    """The numbers of a claim.

    :param difference: of the mean normalised scores over the tasks, with its 95 % interval
    :param comparison: of the arm with the baseline of the study, corrected for all its arms; None of another pair
    """

    difference: Estimate
    comparison: Comparison | None

    @property
    def verdict(self) -> str:
        """By the comparison that the study makes, or by the interval of a pair that it does not compare."""
        if self.comparison is not None:
            differs, higher = self.comparison.differs, self.comparison.improvement.value > 0.5
        else:
            differs, higher = self.difference.low > 0 or self.difference.high < 0, self.difference.value > 0
        return "undecided" if not differs else "above" if higher else "below"


def evidence(*written: str) -> str:
    """The table of some claims.

    :param written: as in ``classic: spo undecided ppo``
    :raises ValueError: for what is no claim, an arm that a study does not have, or a claim that the study does not make
    """
    return table(HEADING, (_row(claim) for claim in map(parsed, written)))


def parsed(written: str) -> Claim:
    """Read a claim.

    :param written: as in ``classic: spo undecided ppo``
    :raises ValueError: for anything else
    """
    match = CLAIM.fullmatch(written)
    if match is None:
        raise ValueError(f"evidence: {written!r} is not STUDY: ARM above, below or undecided OTHER")
    return Claim(**match.groupdict())


def found(claim: Claim) -> Found:
    """Compute the numbers of a claim from the published table.

    :param claim: what is claimed
    :raises ValueError: for an arm that the study does not have
    """
    study, of_runs = published(claim.study)
    for arm in (claim.arm, claim.other):
        if arm not in study.compared:
            raise ValueError(f"evidence: the study {claim.study} has no arm {arm!r}, only {', '.join(study.compared)}")
    tasks = [name for name in study.environments if all((arm, name) in of_runs for arm in study.compared)]
    scales = {name: scale(study, name, [of_runs[arm, name] for arm in study.compared]) for name in tasks}
    first, second = (
        [normalise(of_runs[arm, name], scales[name].low, scales[name].high) for name in tasks]
        for arm in (claim.arm, claim.other)
    )
    comparisons = (
        compare(of_runs, study.compared, list(study.environments), study.baseline)
        if claim.other == study.baseline
        else {}
    )
    return Found(difference_interval(first, second), comparisons.get(claim.arm))


@cache
def published(name: str) -> tuple[Study, dict[tuple[str, str], Array]]:
    """A published study with the scores of its runs.

    :param name: of the study
    """
    study = read_study(ROOT / f"benchmarks/studies/{name}.yaml")
    path = ROOT / f"benchmarks/published/{name}/results.csv"
    results = pd.read_csv(
        path, dtype={"arm": str, "environment": str}, keep_default_na=False, na_values=[""], **ROUND_TRIP
    )
    return study, scores(split_runs(results), study)


def _row(claim: Claim) -> list[str]:
    numbers = found(claim)
    if numbers.verdict != claim.verdict:
        raise ValueError(f"evidence: {claim.study} does not say {claim.arm} {claim.verdict} {claim.other}")
    difference, comparison = numbers
    shares = ["-", "-"]
    if comparison is not None:
        shares = [f"{comparison.improvement.value:.2f}", f"{comparison.adjusted_p_value:.2g}"]
    link = f"[{claim.study}](../benchmarks/published/{claim.study}/report.md)"
    interval = f"{difference.low:.2f} to {difference.high:.2f}"
    return [link, f"`{claim.arm}`", f"`{claim.other}`", f"{difference.value:.2f}", interval, *shares]
