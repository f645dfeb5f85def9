"""Steps per second over the number of environments, and the time of an iteration over the width of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from benchmarks.measurements.progress import Step, Tick
from benchmarks.measurements.ratios import COMPILATION_SECONDS, COMPILED, START_SECONDS, speeds, started_sides, turns
from benchmarks.measurements.runner import running
from benchmarks.measurements.settings import setting
from benchmarks.measurements.sides import SIDES
from sb3_ppo_variants.bench.report.figures.colours import BASELINE_COLOUR, PALETTE
from sb3_ppo_variants.bench.report.figures.style import STYLE, short_number, svg

TASK = "CartPole-v1"
NUMBERS, WIDTHS = (1, 2, 4, 8, 16), (64, 128, 256, 512)
# The same with 32 and 64 environments: settings that the ratios have.
SHARED = ("E", "F")
# Where each axis stands while the other one moves.
NUMBER, WIDTH = 8, 64
OVER_NUMBERS = ("stock", "stock_subprocess", "compiled", "compiled_envpool", "limit")
OVER_WIDTHS = ("stock", "compiled", "limit")
LINES: Mapping[str, Mapping[str, Any]] = {
    "stock": {"color": BASELINE_COLOUR, "lw": 3.0},
    "stock_subprocess": {"color": PALETTE[3]},
    "compiled": {"color": PALETTE[1]},
    "compiled_envpool": {"color": PALETTE[2]},
    "limit": {"color": BASELINE_COLOUR, "ls": (0, (1, 1)), "lw": 1.2},
}
Row = dict[str, Any]


def points(quick: bool) -> list[str]:
    """The settings on both axes, by their names; where they cross, one.

    :param quick: few of them
    """
    numbers, widths = ((1,), (64, 512)) if quick else (NUMBERS, WIDTHS)
    both = [(number, WIDTH) for number in numbers] + [(NUMBER, width) for width in widths]
    return [f"{TASK},{number},{width}" for number, width in dict.fromkeys(both)]


def sides(point: str) -> Sequence[str]:
    """Those that are measured in a setting.

    :param point: name of it
    """
    return OVER_NUMBERS if point.endswith(f",{WIDTH}") else OVER_WIDTHS


def steps(point: str, repetitions: int) -> list[Step]:
    """The steps of :func:`measure`.

    :param point: name of the setting
    :param repetitions: how often each implementation takes its turn
    """
    used = setting(point)
    return [
        Step(f"start of {side}", START_SECONDS + (COMPILATION_SECONDS if side in COMPILED else 0.0))
        for side in sides(point)
    ] + [Step("repetition", len(sides(point)) * used.seconds * used.iterations)] * repetitions


def measure(point: str, repetitions: int, cache: Path, tick: Tick) -> Row:
    """Whole iterations in one setting.

    :param point: name of it
    :param repetitions: how often each implementation takes its turn
    :param cache: folder of compiled code that all points share
    :param tick: told of every step
    """
    left_out: dict[str, str] = {}
    start = partial(running, chosen=point, environment={"TORCHINDUCTOR_CACHE_DIR": str(cache)})
    with ExitStack() as stack:
        runners = started_sides(stack, start, sides(point), left_out, tick)
        times = turns(runners, ["end_to_end"], repetitions, tick)
    used = setting(point)
    return {
        "setting": used.title,
        "environments": used.n_envs,
        "width": used.hyperparameters.hidden[0],
        "steps": used.steps,
        "left_out": left_out,
        "sides": speeds(times),
    }


def rows(found: Mapping[str, Any]) -> list[Row]:
    """All points, with those that are settings of the ratios, by environments and width.

    :param found: the JSON
    """
    ratios = found.get("ratios", {})
    shared = [ratios[name] | {"width": WIDTH} for name in SHARED if name in ratios]
    return sorted([*found["scaling"].values(), *shared], key=lambda row: (row["width"], row["environments"]))


def per_second(row: Row, side: str) -> list[float]:
    """Environment steps per second of whole training, in every repetition.

    :param row: one of :func:`rows`
    :param side: name of the implementation
    """
    return [row["steps"] / seconds for seconds in row["sides"][side]["seconds"]["end_to_end"]]


def milliseconds(row: Row, side: str) -> list[float]:
    """Of one iteration, in every repetition.

    :param row: one of :func:`rows`
    :param side: name of the implementation
    """
    return [1e3 * seconds for seconds in row["sides"][side]["seconds"]["end_to_end"]]


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the figure.

    :param rows: of :func:`rows`
    :param path: of the SVG
    """
    with mpl.rc_context(STYLE):
        path.write_text(svg(figure(rows)))


def figure(rows: Sequence[Row]) -> Figure:
    """Two panels: medians over the repetitions, with quartiles as bands.

    :param rows: of :func:`rows`
    """
    made = Figure(figsize=(8.6, 3.6), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
    first, second = made.subplots(1, 2)
    _panel(first, [row for row in rows if row["width"] == WIDTH], "environments", OVER_NUMBERS, per_second)
    first.set(title="Steps per second", xlabel=f"environments ({TASK})")
    _panel(second, [row for row in rows if row["environments"] == NUMBER], "width", OVER_WIDTHS, milliseconds)
    second.set(title="Milliseconds per iteration", xlabel="width of the two hidden layers")
    shown = [side for side in OVER_NUMBERS if any(side in row["sides"] for row in rows)]
    lines = [Line2D([], [], **{"lw": 1.7, **LINES[side]}) for side in shown]
    made.legend(lines, [SIDES[side].title for side in shown], loc="outside upper left", ncols=3, handlelength=1.8)
    return made


def _panel(axes: Axes, rows: Sequence[Row], axis: str, shown: Sequence[str], value: Any) -> None:
    for side in shown:
        of_side = sorted((row for row in rows if side in row["sides"]), key=lambda row: row[axis])
        if not of_side:
            continue
        # One by one: where time was short, points have fewer repetitions.
        quartiles = [np.quantile(value(row, side), [0.25, 0.5, 0.75]) for row in of_side]
        low, median, high = np.transpose(quartiles)
        at = [row[axis] for row in of_side]
        axes.plot(at, median, **{"lw": 1.7, "marker": "o", "ms": 3.5, **LINES[side]})
        axes.fill_between(at, low, high, color=LINES[side]["color"], alpha=0.13, lw=0)
    ticks = sorted({row[axis] for row in rows})
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(lambda number, _: short_number(number))
