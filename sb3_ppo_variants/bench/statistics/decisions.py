"""Which arms are decided, and which get more seeds: a function of the scores of finished runs alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from sb3_ppo_variants.bench.statistics.comparisons import LEVEL, Comparison, holm, improvement_interval, is_shown
from sb3_ppo_variants.bench.statistics.intervals import Array, share_interval, trials
from sb3_ppo_variants.bench.statistics.sequential import Batch, batch, expected_batch, sequential_p_value
from sb3_ppo_variants.bench.study.seeds import UntilDecided
from sb3_ppo_variants.bench.study.study import Study

# (arm, environment) -> seed -> score; one that is no finite number is that of a run which counts as not finished.
SeedScores = Mapping[tuple[str, str], Mapping[int, float]]


@dataclass(frozen=True)
class Decision:
    """What is known of one arm.

    :param state: ``differs``; ``undecided``: it gets no more seeds; ``open``: it gets those of the next look
    :param seeds: number of seeds by which it is judged, its own and the baseline's; 0 before the first look
    :param p_value: sequential p-value, 1 before the first look
    :param adjusted_p_value: the same after Holm's correction for all arms
    """

    state: Literal["differs", "undecided", "open"]
    seeds: int
    p_value: float
    adjusted_p_value: float


@dataclass(frozen=True)
class Decisions:
    """What is known of all arms.

    :param arms: arm -> its decision, the baseline absent
    :param baseline: the arm that all are compared with
    :param until: how seeds are added
    :param environments: the tasks that decide
    """

    arms: Mapping[str, Decision]
    baseline: str
    until: UntilDecided
    environments: Sequence[str]

    def wanted(self, arm: str) -> range:
        """The seeds that an arm has to have: those by which it is judged, and while it is open those of the next look.

        :param arm: the baseline has the seeds of each arm
        """
        if arm == self.baseline:
            return max((self.wanted(other) for other in self.arms), key=len)
        found = self.arms[arm]
        more = [seeds for seeds in self.until.looks if seeds > found.seeds]
        return range(more[0] if found.state == "open" else found.seeds)

    def at_most(self, arm: str) -> range:
        """The seeds that an arm has in the end if no open arm is decided.

        :param arm: the baseline has the seeds of each arm
        """
        arms = self.arms if arm == self.baseline else [arm]
        return range(self.until.most) if any(self.arms[each].state == "open" for each in arms) else self.wanted(arm)


def decide(
    scores: SeedScores, arms: Iterable[str], environments: Sequence[str], baseline: str, until: UntilDecided
) -> Decisions:
    """Look at the runs batch by batch, and decide after each which arms differ and which get more seeds.

    An arm is looked at again once all runs of the next batch are there, its own and the baseline's. It differs when
    its sequential p-value, after Holm's (1979) correction for all arms, is at most 5 %: the probability that any arm
    is falsely said to differ is then at most 5 %, over all looks, whichever arms truly differ, and whatever ends a
    study. Therefore an arm may get no more seeds for any reason. The reason here is that the seeds that are left would
    not decide it even if it won, of their comparisons, the share at the far end of the 95 % interval of what it has
    won so far, and every other open arm too.

    More finished runs never revoke that an arm differs.

    :param scores: of finished runs
    :param arms: the baseline among them
    :param environments: tasks
    :param baseline: the arm that the others are compared with
    :param until: the batches
    """
    walks = {arm: _Walk(until, len(environments)) for arm in arms if arm != baseline}
    adjusted = holm({arm: walk.p_value for arm, walk in walks.items()})
    for look, seeds in enumerate(until.batches):
        for arm, walk in walks.items():
            first, second = (_of_batch(scores, who, environments, seeds) for who in (arm, baseline))
            if not is_shown(adjusted[arm]) and len(walk.batches) == look and first and second:
                walk.add(first, second)
        adjusted = holm({arm: walk.p_value for arm, walk in walks.items()})
    shown = {arm for arm in walks if is_shown(adjusted[arm])}
    hoped = holm({arm: walk.p_value if arm in shown else walk.hoped_p_value() for arm, walk in walks.items()})
    found = {
        arm: Decision(
            state="differs" if arm in shown else "open" if is_shown(hoped[arm]) and walk.left else "undecided",
            seeds=until.looks[len(walk.batches) - 1] if walk.batches else 0,
            p_value=walk.p_value,
            adjusted_p_value=adjusted[arm],
        )
        for arm, walk in walks.items()
    }
    return Decisions(found, baseline, until, environments)


def can_decide(arms: Sequence[str], tasks: int, until: UntilDecided) -> bool:
    """Whether all seeds would show that arms differ if all of them won every comparison.

    :param arms: the baseline among them
    :param tasks: number of tasks
    :param until: the batches
    """
    return is_shown((len(arms) - 1) * _Walk(until, tasks).hoped_p_value())


@dataclass
class _Walk:
    """The batches of an arm so far."""

    until: UntilDecided
    tasks: int
    batches: list[Batch] = field(default_factory=list)
    p_value: float = 1.0

    @property
    def left(self) -> int:
        """Number of looks to come."""
        return len(self.until.looks) - len(self.batches)

    def add(self, first: list[Array], second: list[Array]) -> None:
        self.batches.append(batch(first, second, self.until.weights[len(self.batches)]))
        self.p_value = sequential_p_value(self.batches, self.until.shares)

    def hoped_p_value(self) -> float:
        """The p-value after all seeds if those that are left go as well as can be hoped for; now, if none are."""
        done = len(self.batches)
        share = self._hoped_share() if done else 1.0
        left = zip(self.until.batches[done:], self.until.weights[done:], strict=True)
        further = [expected_batch(share, len(seeds), self.tasks, weight) for seeds, weight in left]
        return sequential_p_value([*self.batches, *further], self.until.shares)

    def _hoped_share(self) -> float:
        """The share of comparisons at the far end of the interval of those that are won, far from one half."""
        won = sum(each.won for each in self.batches) / sum(each.greatest for each in self.batches)
        seeds = self.until.looks[len(self.batches) - 1]
        _, low, high = share_interval(won, trials([seeds] * self.tasks)).tolist()
        return float(max(low, high, key=lambda end: abs(end - 0.5)))


def wanted_seeds(study: Study, decisions: Decisions | None) -> dict[str, Collection[int]]:
    """The seeds that each arm that is run has to have.

    :param study: the study
    :param decisions: None when the number of seeds is fixed
    """
    if decisions is None:
        return dict.fromkeys(study.arms, study.seeds)
    return {arm: decisions.wanted(arm) for arm in study.arms}


def comparisons_of(scores: SeedScores, environments: Sequence[str], decisions: Decisions) -> dict[str, Comparison]:
    """Compare every arm with the baseline, by the seeds that decided.

    The interval of a look has the share of the 5 % that the test has there, so that those of all looks hold at once
    with a probability of at least 95 %: repeated confidence intervals (Jennison and Turnbull 1989).

    :param scores: those that were decided by
    :param environments: all tasks; those that do not decide are excluded
    :param decisions: on all arms
    :return: by arm, the baseline absent; p-values are sequential
    """
    until, found = decisions.until, {}
    shares = dict(zip([0, *until.looks], [0.0, *until.shares], strict=True))
    for arm, decision in decisions.arms.items():
        tasks = decisions.environments if decision.seeds else []
        first, second = (
            [np.array([scores[who, name][seed] for seed in range(decision.seeds)]) for name in tasks]
            for who in (arm, decisions.baseline)
        )
        found[arm] = Comparison(
            improvement=improvement_interval(first, second, 1 - LEVEL * shares[decision.seeds]),
            p_value=decision.p_value,
            adjusted_p_value=decision.adjusted_p_value,
            least_p_value=math.nan,
            environments=list(tasks),
            excluded=[name for name in environments if name not in tasks],
        )
    return found


def _of_batch(scores: SeedScores, arm: str, environments: Sequence[str], seeds: range) -> list[Array] | None:
    """The scores of an arm in a batch, by task; None unless all are there."""
    found = [np.array([scores.get((arm, name), {}).get(seed, math.nan) for seed in seeds]) for name in environments]
    return found if all(np.isfinite(task).all() for task in found) else None
