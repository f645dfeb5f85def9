"""How numbers are written in reports and in the terminal."""

from __future__ import annotations

import math

import numpy as np

from sb3_ppo_variants.bench.statistics.contrasts import Contrast
from sb3_ppo_variants.bench.statistics.intervals import Estimate
from sb3_ppo_variants.bench.statistics.power import Detectable


def fixed(value: float, digits: int) -> str:
    """Write a number with so many decimals; zero has no sign."""
    # Zero has a sign in floating point, and minus zero plus zero has none.
    return f"{round(value, digits) + 0.0:.{digits}f}"


def number(value: float) -> str:
    """Write a number with about four significant digits."""
    size = abs(value)
    if size >= 1e16:
        return f"{value:.3g}"
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3
    return fixed(value, digits)


def plus_minus(estimate: Estimate) -> str:
    """Write a mean and the half width of its symmetric interval, both to two significant digits of the latter."""
    if math.isnan(estimate.value):
        return "n/a"
    half = estimate.high - estimate.value
    if not 0 < half < math.inf:
        return number(estimate.value) + (" ± 0" if half == 0 else "")
    digits = max(0, 1 - math.floor(math.log10(half)))
    return f"{fixed(estimate.value, digits)} ± {half:.{digits}f}"


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
    """Write a p-value, a share or a count with two significant digits."""
    return "n/a" if math.isnan(value) else f"{value:.2g}"


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


def detected(found: Detectable) -> str:
    """Write what a comparison can detect, in returns and in standard deviations."""
    if math.isinf(found.deviations):
        return "nothing"
    if found.score == 0:
        return "any, all runs are equal"
    deviations = f"{found.deviations:.1f} sd"
    return deviations if math.isnan(found.score) else f"{number(found.score)} ({deviations})"


def contrast(found: Contrast | None) -> str:
    """Write a contrast with its interval, and the environments that it leaves out."""
    if found is None:
        return ""
    without = f", without {', '.join(found.excluded)}" if found.excluded else ""
    return interval(found.difference) + without
