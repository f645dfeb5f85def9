"""What the speed of the package is held against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from timing import ratio

# Compiled over stock, by setting.
COMPILED_END_TO_END = {"A": 2.5, "B": 2.5, "C": 1.0, "D": 1.0}
COMPILED_UPDATE = {"A": 4.0}


class Goal(NamedTuple):
    """A number asked for and the number measured, a median of ratios."""

    name: str
    setting: str
    sign: str
    asked: float
    measured: float

    @property
    def answer(self) -> str:
        """Whether it was reached."""
        met = self.measured <= self.asked if self.sign == "<=" else self.measured >= self.asked
        return "yes" if met else "no"


def goals(found: dict[str, Any]) -> Iterator[Goal]:
    """Every goal that the measured settings and implementations say something about.

    :param found: the JSON
    """
    for letter, measured in found["ratios"].items():
        yield from _of_setting(letter, measured["sides"])


def _of_setting(letter: str, sides: dict[str, Any]) -> Iterator[Goal]:
    def over(numerator: str, denominator: str, phase: str) -> float:
        return ratio(sides[numerator]["seconds"][phase], sides[denominator]["seconds"][phase]).median

    if "eager" in sides:
        yield Goal("eager update over stock", letter, ">=", 1.0, over("stock", "eager", "update"))
        yield Goal("eager end to end over stock", letter, ">=", 1.0, over("stock", "eager", "end_to_end"))
        peaks = [sides[side]["start"]["peak_mib"] for side in ("eager", "stock")]
        yield Goal("eager peak memory over stock's", letter, "<=", 1.1, float(np.divide(*peaks)))
    if {"eager", "kl_penalty"} <= sides.keys():
        measured = over("kl_penalty", "eager", "update")
        yield Goal("time of the exact KL penalty's update over clip's", letter, "<=", 1.25, measured)
    if "compiled" not in sides:
        return
    for phase, asked in (("update", COMPILED_UPDATE), ("end_to_end", COMPILED_END_TO_END)):
        if letter in asked:
            name = f"compiled {phase.replace('_', ' ')} over stock"
            yield Goal(name, letter, ">=", asked[letter], over("stock", "compiled", phase))
    if letter == "A" and "sbx" in sides:
        yield Goal("compiled update over SBX", letter, ">=", 1.0, over("sbx", "compiled", "update"))
