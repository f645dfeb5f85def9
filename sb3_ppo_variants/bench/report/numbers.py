"""How numbers are written in reports and in the terminal."""

from __future__ import annotations

import math

import numpy as np

from sb3_ppo_variants.bench.statistics.comparisons import LEVEL
from sb3_ppo_variants.bench.statistics.contrasts import Contrast
from sb3_ppo_variants.bench.statistics.intervals import Estimate
from sb3_ppo_variants.bench.study.keys import RETURN, SUCCESS
from sb3_ppo_variants.bench.study.run import plain_id


def quantity(metric: str) -> str:
    """Say what a metric is of an episode.

    :param metric: ``return``, ``success`` or a key of infos
    """
    return {RETURN: "return of an episode", SUCCESS: "success rate"}.get(metric, f"{metric} at the end of an episode")


def fixed(value: float, digits: int) -> str:
    """Write a number with so many decimals; zero has no sign."""
    # Zero has a sign in floating point, and minus zero plus zero has none.
    return f"{round(value, digits) + 0.0:.{digits}f}"


def number(value: float) -> str:
    """Write a number with three to four significant digits."""
    size = abs(value)
    if size >= 1e16 or 0 < size < 1e-6:
        return f"{value:.3g}"
    if 0 < size < 0.1:
        return fixed(value, 2 - math.floor(math.log10(size)))
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3
    return fixed(value, digits)


def mean_return(estimate: Estimate) -> str:
    """Write a mean and its interval, all to two significant digits of half its width or to the unit."""
    if math.isnan(estimate.value):
        return "n/a"
    half = estimate.high / 2 - estimate.low / 2
    # Beyond 1e154 squares overflow, and the bounds are infinite.
    if not 0 < half < math.inf:
        value = number(estimate.value)
        return f"{value} [{value}, {value}]" if half == 0 else value
    digits = max(0, 1 - math.floor(math.log10(half)))
    value, low, high = (fixed(each, digits) for each in estimate)
    return f"{value} [{low}, {high}]"


def interval(estimate: Estimate) -> str:
    """Write a number and its interval."""
    if estimate.value != estimate.value:
        return "n/a"
    bounds = "" if estimate.low != estimate.low else f" [{fixed(estimate.low, 2)}, {fixed(estimate.high, 2)}]"
    return fixed(estimate.value, 2) + bounds


def spread(estimate: Estimate) -> str:
    """Write a small positive number and the range around it."""
    return f"{estimate.value:.2g} ({estimate.low:.2g} to {estimate.high:.2g})"


def small(value: float) -> str:
    """Write a share or a count with two significant digits."""
    return "n/a" if math.isnan(value) else f"{value:.2g}"


def p_value(value: float) -> str:
    """Write a p-value with two significant digits, or with three where it would round to the level of 0.05."""
    return f"{value:.3g}" if f"{value:.2g}" == f"{LEVEL:g}" else small(value)


def steps(value: float) -> str:
    """Write a number of environment steps, which may be unknown or never reached."""
    return "n/a" if math.isnan(value) else "never" if math.isinf(value) else f"{value:.0f}"


def significant(value: float) -> str:
    """Write a number with four significant digits, never as a power of ten."""
    return np.format_float_positional(value, precision=4, fractional=False, trim="-")


def duration(seconds: float) -> str:
    """Write a time, which may be unknown, with its two greatest units: ``3 d 4 h``, ``1 h 5 min``, ``40 s``."""
    if not math.isfinite(seconds):
        return "?"
    seconds = math.ceil(seconds)
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def detected(deviations: float, score: float) -> str:
    """Write what a comparison can detect, in returns where they are known and in standard deviations."""
    if math.isinf(deviations):
        return "none"
    if score == 0:
        return "any, all runs are equal"
    text = f"{deviations:.1f} sd"
    return text if math.isnan(score) else f"{number(score)} ({text})"


def contrast(found: Contrast | None) -> str:
    """Write a contrast with its interval, and the environments that it leaves out."""
    if found is None:
        return ""
    without = f", without {', '.join(map(plain_id, found.excluded))}" if found.excluded else ""
    return interval(found.difference) + without
