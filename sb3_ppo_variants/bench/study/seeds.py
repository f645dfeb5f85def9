"""The key ``seeds``: a number, a list, or as many seeds as a decision takes."""

from __future__ import annotations

from collections import Counter
from math import gcd
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from sb3_ppo_variants.bench.study.keys import MOST_SEEDS, Seed
from sb3_ppo_variants.bench.study.strict import Strict, Whole

# The exact distribution of a batch takes long beyond these.
MOST_OF_BATCH, MOST_LOOKS = 50, 50
SeedsOfBatch = Annotated[Whole, Field(ge=1, le=MOST_OF_BATCH)]


class UntilDecided(Strict):
    """Seeds that are added in batches while it is open whether an arm differs from the baseline: 0, 1, 2 and so on.

    :param least: ``from`` of the file: seeds of the first batch
    :param most: ``to`` of the file: seeds of an arm that stays open
    :param step: seeds of each later batch
    :param until: ``decided``
    """

    least: Annotated[SeedsOfBatch, Field(alias="from", ge=2)]
    most: Annotated[Whole, Field(alias="to", ge=2, le=MOST_SEEDS)]
    step: SeedsOfBatch = 5
    until: Literal["decided"]

    @model_validator(mode="after")
    def _in_whole_batches(self) -> UntilDecided:
        beyond = (self.most - self.least) % self.step
        if self.most < self.least:
            raise ValueError(f"to must be from or more, {self.least} (given: {self.most})")
        if beyond:
            near = f"{self.most - beyond} or {self.most - beyond + self.step}"
            raise ValueError(f"to must be from and a number of steps, such as {near} (given: {self.most})")
        if len(self.looks) > MOST_LOOKS:
            raise ValueError(f"from, to and step make {len(self.looks)} batches; {MOST_LOOKS} are the most")
        return self

    @property
    def looks(self) -> list[int]:
        """Number of seeds at each look."""
        return list(range(self.least, self.most + 1, self.step))

    @property
    def batches(self) -> list[range]:
        """The seeds that each look adds."""
        return [range(begin, end) for begin, end in zip([0, *self.looks], self.looks, strict=False)]

    @property
    def shares(self) -> list[float]:
        """Share of the error that each look gets: that of its seeds."""
        return [len(seeds) / self.most for seeds in self.batches]

    @property
    def weights(self) -> list[int]:
        """Weight of one comparison of two runs in each batch, with which a batch counts as many times as its seeds."""
        common = gcd(self.least, self.step)
        return [self.step // common, *[self.least // common] * (len(self.looks) - 1)]


def _list(seeds: Any) -> Any:
    """Read a number n as the seeds 0 to n-1."""
    if isinstance(seeds, dict | UntilDecided):
        return seeds
    if isinstance(seeds, int) and not isinstance(seeds, bool) and 1 <= seeds <= MOST_SEEDS:
        seeds = list(range(seeds))
    if not isinstance(seeds, list) or not 1 <= len(seeds) <= MOST_SEEDS:
        raise ValueError(
            f"must be a number of seeds, 1 to {MOST_SEEDS}, a list of so many different seeds, or "
            "{from: 5, to: 30, step: 5, until: decided}"
        )
    return seeds


def _different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    twice = [seed for seed, count in Counter(seeds).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} is in the list more than once")
    return seeds


# Parts of the place of a mistake that no file has.
LISTED, DECIDED = "[list]", "[until decided]"
Seeds = Annotated[
    Annotated[tuple[Seed, ...], AfterValidator(_different), Tag(LISTED)] | Annotated[UntilDecided, Tag(DECIDED)],
    Discriminator(lambda seeds: DECIDED if isinstance(seeds, dict | UntilDecided) else LISTED),
    BeforeValidator(_list),
]
