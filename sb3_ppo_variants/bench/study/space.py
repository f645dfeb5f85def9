"""What a search may change: an axis for each argument."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    model_validator,
)

from sb3_ppo_variants.bench.study.strict import Strict

# Parts of the place of a mistake that no file has.
BOUNDS, CHOICES = "[bounds]", "[choices]"


def _number(written: Any) -> int | float:
    # Compared, because an integer may be too large for a float.
    if isinstance(written, bool) or not isinstance(written, int | float) or not abs(written) < math.inf:
        raise ValueError("must be a finite number")
    return written


# An integer stays one.
Number = Annotated[int | float, PlainValidator(_number)]


class Axis(Strict):
    """Numbers from one to another: integers when both are written as integers.

    :param low: the least
    :param high: the greatest
    :param log: whether they are drawn on a logarithmic scale
    :param step: from one number to the next; by default 1 for integers, and every number for others
    """

    low: Number
    high: Number
    log: bool = False
    step: Number | None = None

    @model_validator(mode="after")
    def _sound(self) -> Axis:
        if self.low >= self.high:
            raise ValueError(f"low must be less than high, {self.high} (given: {self.low})")
        if not self.high - self.low < math.inf:
            raise ValueError(f"low and high are too far apart for any float (given: {self.low} and {self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be above 0 on a logarithmic scale (given: {self.low})")
        if self.log and self.step is not None:
            raise ValueError("give either log or step, not both")
        if self.step is not None:
            self._check_step(self.step)
        return self

    def _check_step(self, step: float) -> None:
        if step <= 0:
            raise ValueError(f"step must be above 0 (given: {step})")
        if self.is_integer and not isinstance(step, int):
            raise ValueError(f"step must be an integer, as low and high are (given: {step})")
        count = (self.high - self.low) / step
        if not math.isclose(count, round(count)) or round(count) < 1:
            raise ValueError(f"high must be low and a number of steps of {step} (given: {self.low} and {self.high})")

    @property
    def is_integer(self) -> bool:
        """Whether its numbers are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


def label(choice: Any) -> str:
    """Write a choice as JSON; two choices are equal when this is."""
    return json.dumps(choice)


def _choices(choices: list[Any]) -> list[Any]:
    if len(choices) < 2:
        raise ValueError(f"a list has 2 choices or more, not {len(choices)}")
    try:
        labels = list(map(label, choices))
    except TypeError as error:
        raise ValueError("a choice is a number, a text, true, false, null, or a list or a mapping of these") from error
    twice = [text for text, count in Counter(labels).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} is in the list more than once")
    return choices


def _bounds_or_choices(written: Any) -> Any:
    if not isinstance(written, dict | list | Axis):
        raise ValueError("must be {low: ..., high: ...}, or a list of choices")
    return written


Choices = Annotated[list[Any], AfterValidator(_choices)]
Dimension = Annotated[
    Annotated[Axis, Tag(BOUNDS)] | Annotated[Choices, Tag(CHOICES)],
    Discriminator(lambda written: CHOICES if isinstance(written, list) else BOUNDS),
    BeforeValidator(_bounds_or_choices),
]
# Argument, which may be dotted, to what it may be; as a key of a study file, which is checked.
Space = dict[str, Axis | list[Any]]
WrittenSpace = dict[Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")], Dimension]

# The space from which RL Zoo 2.9 samples for PPO, as far as it is arguments: the discounts, which it draws as their
# distances from 1 on a logarithmic scale, and the powers of two are lists.
ZOO_SPACE: dict[str, Any] = {
    "batch_size": [4, 8, 16, 32, 64, 128, 256, 512, 1024],
    "n_steps": [32, 64, 128, 256, 512, 1024, 2048, 4096],
    "gamma": [0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999],
    "gae_lambda": [0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999],
    "learning_rate": {"low": 1e-5, "high": 2e-3, "log": True},
    "ent_coef": {"low": 1e-8, "high": 0.1, "log": True},
    "clip_range": [0.1, 0.2, 0.3, 0.4],
    "n_epochs": [1, 5, 10, 20],
    "max_grad_norm": {"low": 0.3, "high": 2.0},
    "policy_kwargs.net_arch": [
        {"pi": [64], "vf": [64]},
        {"pi": [64, 64], "vf": [64, 64]},
        {"pi": [256, 256], "vf": [256, 256]},
    ],
    "policy_kwargs.activation_fn": ["torch.nn.Tanh", "torch.nn.ReLU"],
}


def examples(space: Space) -> Iterator[dict[str, Any]]:
    """Yield arguments in which each end of an axis and each choice is at least once.

    :param space: at least one axis
    """
    values = {name: axis if isinstance(axis, list) else [axis.low, axis.high] for name, axis in space.items()}
    for number in range(max(map(len, values.values()))):
        yield {name: each[number % len(each)] for name, each in values.items()}
