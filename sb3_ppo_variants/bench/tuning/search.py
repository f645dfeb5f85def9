"""One search: an arm in an environment, what may change, and the trials that are known."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.space import Space, examples
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.study.tune import Tune


@dataclass(frozen=True)
class Trial:
    """Some arguments and how good they are.

    :param number: from 0, in the order in which a search draws them
    :param arguments: those of the space
    :param scores: one per seed; NaN where the run failed or has no finite score
    """

    number: int
    arguments: dict[str, Any]
    scores: tuple[float, ...]

    @property
    def score(self) -> float:
        """Mean over the seeds; minus infinity, the worst, when a run failed."""
        return -math.inf if self.failed else math.fsum(self.scores) / len(self.scores)

    @property
    def failed(self) -> bool:
        """Whether a run failed or has no finite score."""
        return not all(map(math.isfinite, self.scores))


@dataclass(frozen=True)
class Search:
    """The search for the best arguments of an arm in an environment.

    :param study: as its file says
    :param arm: name of the arm
    :param environment: id of the environment
    :param trials: those that are known, in order
    """

    study: Study
    arm: str
    environment: str
    trials: tuple[Trial, ...] = ()

    @property
    def tune(self) -> Tune:
        """How arguments are searched for."""
        assert self.study.tune is not None
        return self.study.tune

    @property
    def space(self) -> Space:
        """What the arguments may be."""
        return self.study.space(self.arm)

    @property
    def finished(self) -> bool:
        """Whether all trials are known."""
        return len(self.trials) == self.tune.trials

    @property
    def best(self) -> Trial | None:
        """The trial with the greatest score, the first one of several; None when all failed."""
        return max((trial for trial in self.trials if not trial.failed), key=lambda trial: trial.score, default=None)

    @property
    def steps_of_trial(self) -> int:
        """Environment steps that each trial gets."""
        return self.study.steps(self.environment) * self.tune.seeds

    def runs(self, arguments: dict[str, Any]) -> list[Run]:
        """The runs of a trial, one per seed.

        :param arguments: of the trial
        """
        return [self.study.run(self.arm, self.environment, seed, arguments) for seed in self.tune.run_seeds]

    @cached_property
    def identity(self) -> str:
        """Ten hexadecimal digits of all that trials depend on: the space, the sampler, and what their runs are.

        The number of trials is no part of it: with more of them a search goes on.
        """
        example = self.runs(next(examples(self.space)))[0]
        space = {
            name: axis if isinstance(axis, list) else axis.model_dump(exclude_defaults=True)
            for name, axis in self.space.items()
        }
        # A key that is added later changes nothing at its default.
        settings = self.tune.model_dump(exclude={"trials", "space"}, exclude_defaults=True)
        last = None if self.tune.metric == "area" else self.study.judged(self.environment).last
        parts = json.dumps([settings, space, self.arm, last, example.hashed_json], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()[:10]


def searches(study: Study) -> list[Search]:
    """The searches of a study, none of whose trials is known; none without ``tune``.

    :param study: the study
    """
    if study.tune is None:
        return []
    return [Search(study, arm, environment) for environment in study.environments for arm in study.arms]


def known_trials(found: Iterable[Search]) -> str:
    """Say how many trials are known: ``60 of 180 trials``.

    :param found: the searches of a study
    """
    known: Sequence[tuple[int, int]] = [(len(search.trials), search.tune.trials) for search in found]
    done, wanted = (sum(column) for column in zip(*known, strict=True))
    return f"{done} of {wanted} trials"
