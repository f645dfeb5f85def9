"""What a terminal shows of a study that is being made."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sb3_ppo_variants.bench.report.numbers import duration, number
from sb3_ppo_variants.bench.snapshots import Making, StudyState
from sb3_ppo_variants.bench.terminal import table_of

BARS = "▁▂▃▄▅▆▇█"
# Evaluations in a row of the table.
SHOWN = 12


def view(snapshot: StudyState) -> RenderableType:
    """Show a snapshot: the runs in each state, the steps of all, and a row for each run that is being made."""
    parts: list[RenderableType] = [Text(_counts(snapshot)), _steps(snapshot)]
    if snapshot.making or snapshot.interrupted:
        parts.append(_table([*snapshot.making, *snapshot.interrupted]))
    return Group(*parts)


def _counts(snapshot: StudyState) -> str:
    counts = {"finished": snapshot.finished, "running": len(snapshot.making), "missing": snapshot.missing}
    failed = f", {snapshot.failed} failed" if snapshot.failed else ""
    interrupted = f" ({len(snapshot.interrupted)} interrupted)" if snapshot.interrupted else ""
    listed = ", ".join(f"{count} {state}" for state, count in counts.items())
    tuning = f", tuning, {snapshot.tuning} are known" if snapshot.tuning else ""
    return f"{snapshot.name}{tuning}: {listed}{interrupted}{failed}"


def _steps(snapshot: StudyState) -> RenderableType:
    line = Table.grid(padding=(0, 1))
    whose = " of this round" if snapshot.tuning else ""
    left = "" if snapshot.seconds_left is None else f", about {duration(snapshot.seconds_left)} left"
    line.add_row(
        ProgressBar(snapshot.total_timesteps or 1, snapshot.steps, width=32),
        f"{share(snapshot.steps, snapshot.total_timesteps)} of the steps{whose}{left}",
    )
    return line


def _table(making: Sequence[Making]) -> Table:
    table = table_of("")
    for heading in ("arm", "environment"):
        table.add_column(heading)
    for heading in ("seed", "steps", "left"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("returns of evaluations", no_wrap=True)
    table.add_column("made by")
    for run in making:
        table.add_row(
            escape(run.arm),
            escape(run.environment),
            str(run.seed),
            share(run.steps, run.total_timesteps),
            "" if run.seconds_left is None else duration(run.seconds_left),
            f"{sparkline(run.returns[-SHOWN:]):>{SHOWN}} {number(run.returns[-1])}" if run.returns else "",
            escape(run.maker),
        )
    return table


def share(steps: int, total_timesteps: int) -> str:
    """Write a share in per cent, rounded down: 100 % is all of them.

    :param steps: environment steps
    :param total_timesteps: of which they are a part
    """
    return f"{100 * steps // total_timesteps if total_timesteps else 0} %"


def sparkline(values: Sequence[float]) -> str:
    """Draw numbers as bars from the least to the greatest of them; a number that is not finite is a gap."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    return "".join(_bar(value, low, high) if math.isfinite(value) else " " for value in values)


def _bar(value: float, low: float, high: float) -> str:
    # Halves, because the difference of the largest numbers is infinite.
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
    return BARS[round(share * (len(BARS) - 1))]
