"""The key ``tune``: the search for good arguments that every arm gets before it is compared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from sb3_ppo_variants.bench.study.keys import ZOO, Arm, Seed
from sb3_ppo_variants.bench.study.nested import repeated, shared
from sb3_ppo_variants.bench.study.space import ZOO_SPACE, WrittenSpace
from sb3_ppo_variants.bench.study.strict import Strict, Whole

# Of the runs of trials. The study itself, and its evaluations 10,000 further, have lesser ones.
FIRST_SEED = 1_000_000


class Tune(Strict):
    """How arguments are searched for, alike for every arm and environment.

    :param trials: number of trials, each with other arguments
    :param seeds: runs of a trial; their seeds are 1000000, 1000001 and so on
    :param space: what the arguments of all arms may be, or ``zoo`` for RL Zoo's space for PPO, as far as it is
        arguments; arms add their own
    :param metric: number of a run that is made as great as possible: ``score``, that of the study, or ``area``, the
        mean of all of its evaluations
    :param sampler: ``tpe``: Optuna's tree-structured Parzen estimator; ``random``
    :param batch: number of trials that are drawn before the scores of any of them are known
    :param seed: of the sampler
    """

    trials: Annotated[Whole, Field(ge=1, le=1_000)]
    seeds: Annotated[Whole, Field(ge=1, le=100)] = 3
    space: WrittenSpace = Field(default_factory=dict)
    metric: Literal["score", "area"] = "score"
    sampler: Literal["tpe", "random"] = "tpe"
    batch: Annotated[Whole, Field(ge=1, le=1_000)] = 5
    seed: Seed = 0

    @field_validator("space", mode="before")
    @classmethod
    def _named(cls, space: Any) -> Any:
        if isinstance(space, str):
            if space != ZOO:
                raise ValueError(f"must be a mapping from arguments to what they may be, or {ZOO}")
            return ZOO_SPACE
        return space

    @property
    def run_seeds(self) -> tuple[int, ...]:
        """The seeds of the runs of a trial."""
        return tuple(range(FIRST_SEED, FIRST_SEED + self.seeds))


def space_mistakes(tune: Tune | None, arms: Mapping[str, Arm], seeds: Collection[int]) -> Iterator[str]:
    """Say what is wrong with the spaces of a study.

    :param tune: its key
    :param arms: as written
    :param seeds: of the study itself
    """
    if tune is None:
        for name in (name for name, arm in arms.items() if arm.space):
            yield f"arms.{name}.space: needs tune, which says how many trials an arm gets"
        return
    taken = sorted(set(tune.run_seeds).intersection(seeds))
    if taken:
        yield f"seeds: {taken[0]} is a seed of the trials of tune, whose runs must be others; choose seeds below it"
    for name, arm in arms.items():
        space = {**tune.space, **arm.space}
        if not space:
            yield f"arms.{name}: has nothing to tune; give tune.space or arms.{name}.space"
        varied = {axis for combination in arm.combinations for axis in combination.values}
        varied |= {argument for part in (arm.ablate.parts.values() if arm.ablate else ()) for argument in part}
        for argument in repeated(space):
            yield f"arms.{name}: {argument} is in more than one axis of its space"
        for argument in shared(varied, space):
            yield f"arms.{name}: {argument} is in its grid or a part of its ablation, and in its space"
