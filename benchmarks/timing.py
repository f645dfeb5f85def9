"""Timing on a noisy machine: both sides in one process, turn by turn, as ratios."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Ratio:
    """Median and quartiles of a ratio over the repetitions."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def seconds(function: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def rotated(names: Sequence[str], repetition: int) -> list[str]:
    """The order of turns in a repetition: each begins with another name.

    :param names: of those that take turns
    :param repetition: its number, from 0 on
    """
    shift = repetition % len(names)
    return [*names[shift:], *names[:shift]]


def interleaved(functions: Mapping[str, Callable[[], Any]], repetitions: int) -> dict[str, list[float]]:
    """Seconds of every call, one function after the other within a repetition, in an order that rotates.

    :param functions: by name; each is called once per repetition
    :param repetitions: how often
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    for repetition in range(repetitions):
        for name in rotated(list(functions), repetition):
            times[name].append(seconds(functions[name]))
    return times


def ratio(numerator: list[float], denominator: list[float]) -> Ratio:
    """Ratio of two lists of seconds, repetition by repetition.

    :param numerator: of one function
    :param denominator: of the other, measured in the same repetitions
    """
    low, median, high = np.quantile(np.array(numerator) / np.array(denominator), [0.25, 0.5, 0.75])
    return Ratio(float(median), float(low), float(high))
