"""The tables of the published measurement and of the pages on speed, from its JSON."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from benchmarks.markdown import table
from benchmarks.measurements.cells import Found, busy, explained, marked, middle, name_of, share, spread
from benchmarks.measurements.scaling import OVER_NUMBERS, per_second, rows
from benchmarks.measurements.settings import LEADING, SETTINGS, Setting
from benchmarks.measurements.sides import SIDES

NOT_MEASURED = "Not measured yet."
PHASES = {"rollout": "rollout", "update": "update", "end_to_end": "end to end"}
# Sides with compiled code -> whose environments they step.
COMPILED = {"compiled": "Gymnasium", "compiled_envpool": "EnvPool", "compiled_in_part": "Gymnasium"}
# How the runs of a study are made.
WAYS = {
    "scripts": "a script of SB3's PPO per run",
    "scripts_one_thread": "the same with `OMP_NUM_THREADS=1`",
    "harness": "`ppo-bench run`, the same runs",
    "harness_half_compiled": "`ppo-bench run`, half of the runs VariantPPO compiled, with its compilation",
}


def _sides(found: Found, chosen: Callable[[str], bool] = lambda side: True) -> Iterable[tuple[Found, str, Found]]:
    for measured in found.get("ratios", {}).values():
        yield from ((measured, side, of) for side, of in measured["sides"].items() if chosen(side))


def summary(found: Found) -> str:
    """Speed end to end in the leading settings, one row for each implementation.

    :param found: the JSON
    """
    settings = [found["ratios"][name] for name in LEADING if name in found["ratios"]]
    sides = [side for side in SIDES if any(side in measured["sides"] for measured in settings)]

    def cell(measured: Found, side: str) -> str:
        of = measured["sides"].get(side)
        if of is None:
            return "-"
        return f"{of['speed']['end_to_end']['median']:.2f}{marked(found, of)}"

    heading = ["implementation", *(measured["setting"].partition(",")[0] for measured in settings)]
    return explained(
        table(heading, ([SIDES[side].title, *(cell(measured, side) for measured in settings)] for side in sides))
    )


def settings(found: Found) -> str:
    """What each setting is, in the order of the tables.

    :param found: the JSON
    """
    rows = []
    for name in found["ratios"]:
        used = SETTINGS[name]
        given = used.hyperparameters
        samples, minibatch = f"{given.n_steps} x {used.n_envs}", str(min(given.batch_size, used.steps))
        rows.append([used.title, samples, minibatch, str(given.n_epochs), _network(used)])
    return table(["setting", "steps x environments of a rollout", "minibatch", "epochs", "policy and its layers"], rows)


def _network(used: Setting) -> str:
    return " ".join([used.policy.removesuffix("Policy"), *map(str, used.hyperparameters.hidden)])


def ratios(found: Found) -> str:
    """Speed of every implementation as a multiple of stock PPO's.

    :param found: the JSON
    """
    rows = (
        [measured["setting"], name_of(side, found, of)] + [spread(of["speed"][phase]) for phase in PHASES]
        for measured, side, of in _sides(found)
    )
    return explained(table(["setting", "implementation", *PHASES.values()], rows))


def where(found: Found) -> str:
    """Milliseconds of one iteration by phase, the share that is its limit, and CPU time over wall time.

    :param found: the JSON
    """
    rows = []
    for measured, side, of in _sides(found):
        times = [[f"{1e3 * middle(of, phase):.1f}", share(measured, side, phase)] for phase in PHASES]
        cpu = busy(of)
        row = [measured["setting"], name_of(side, found, of), *itertools.chain(*times)]
        rows.append([*row, "-" if cpu is None else f"{cpu:.2f}"])
    heading = [[f"{title}, ms", "limit's share"] for title in PHASES.values()]
    return explained(table(["setting", "implementation", *itertools.chain(*heading), "CPU over wall"], rows))


def leading(found: Found) -> str:
    """Milliseconds of one iteration by phase, of stock PPO, the compiled loop and the limit in the leading settings.

    :param found: the JSON
    """
    settings = [found["ratios"][name] for name in LEADING if name in found["ratios"]]
    rows = []
    for measured, side in itertools.product(settings, ("stock", "compiled", "limit")):
        times = [f"{1e3 * middle(measured['sides'][side], phase):.1f}" for phase in PHASES]
        rows.append([measured["setting"], SIDES[side].title, *times])
    return table(["setting", "implementation", *(f"{title}, ms" for title in PHASES.values())], rows)


def compiled(found: Found) -> str:
    """Speed and peak memory with compiled code, as multiples of stock PPO's, in every setting.

    :param found: the JSON
    """
    rows = []
    for measured, side, of in _sides(found, COMPILED.__contains__):
        speeds = [f"{of['speed'][phase]['median']:.2f}" for phase in PHASES]
        peak = of["start"]["peak_mib"] / measured["sides"]["stock"]["start"]["peak_mib"]
        environments = COMPILED[side] + marked(found, of)
        rows.append([measured["setting"], environments, *speeds, share(measured, side, "end_to_end"), f"{peak:.2f}"])
    heading = ["setting", "environments of", *PHASES.values(), "limit's share", "memory"]
    return explained(table(heading, rows))


def payback(measured: Found, start: Found) -> str:
    """Environment steps after which the compiled loop is ahead of stock PPO.

    :param measured: a setting
    :param start: the first iterations of a compiled model
    """
    first, *later = start["first"]
    gain = middle(measured["sides"]["stock"], "end_to_end") - middle(measured["sides"]["compiled"], "end_to_end")
    if gain <= 0:
        return "never"
    return f"{(first - min(later)) / gain * measured['steps']:,.0f}"


def compilation(found: Found) -> str:
    """The cost of the first iteration, and the steps that pay it back.

    :param found: the JSON
    """
    rows = []
    for measured, _, of in _sides(found, lambda side: side == "compiled"):
        for cache, start in (("empty", of["empty_cache"]), ("filled", of["start"])):
            first, *later = start["first"]
            extra = f"{first - min(later):.1f}"
            rows.append([measured["setting"], cache, extra, payback(measured, start)])
    return table(["setting", "cache", "compilation, s", "environment steps until stock PPO is overtaken"], rows)


def memory(found: Found) -> str:
    """Peak memory of a fresh process after three iterations.

    :param found: the JSON
    """
    rows = []
    for measured, side, of in _sides(found):
        stock = measured["sides"]["stock"]["start"]["peak_mib"]
        peak = of["start"]["peak_mib"]
        rows.append([measured["setting"], SIDES[side].title, f"{peak:.0f}", f"{peak / stock:.2f}"])
    return table(["setting", "implementation", "peak, MiB", "over stock PPO"], rows)


def threads(found: Found) -> str:
    """Time with two threads over time with one.

    :param found: the JSON
    """
    return _times_as_long(found["threads"].values())


def allocator(found: Found) -> str:
    """Time with memory that is given back over time with memory that is kept.

    :param found: the JSON
    """
    return _times_as_long(found["allocator"].values())


def _times_as_long(rows: Iterable[Mapping[str, Any]]) -> str:
    return table(
        ["setting", *PHASES.values()],
        ([row["setting"]] + [spread(row["times_as_long"][phase]) for phase in PHASES] for row in rows),
    )


def beside(found: Found) -> str:
    """Work of VariantPPO's update besides its gradient steps.

    :param found: the JSON
    """
    parts = ("update", "copy", "tensors", "pass_for_kl")
    return table(
        ["setting", "whole update, ms", "copy for a restore", "rollout as tensors", "a pass for the exact KL"],
        (
            [row["setting"]] + [f"{1e3 * row[f'{part}_seconds']:.2f}" for part in parts]
            for row in found["beside"].values()
        ),
    )


def scaling(found: Found) -> str:
    """Environment steps per second of whole training at each point.

    :param found: the JSON
    """
    points = rows(found)
    shown = [side for side in OVER_NUMBERS if any(side in row["sides"] for row in points)]

    def cell(row: Found, side: str) -> str:
        if side not in row["sides"]:
            return "-"
        return f"{np.median(per_second(row, side)):,.0f}{marked(found, row['sides'][side])}"

    heading = ["environments", "width", *(SIDES[side].title for side in shown)]
    cells = ([str(row["environments"]), str(row["width"]), *(cell(row, side) for side in shown)] for row in points)
    return explained(table(heading, cells))


def study(found: Found) -> str:
    """Seconds of a whole study, and the plain scripts' divided by them.

    :param found: the JSON
    """
    (measured,) = found["study"].values()
    return table(
        [f"{measured['runs']} runs of {measured['steps']:,} steps, two at a time", "seconds", "speed"],
        (
            [WAYS[side], f"{np.median(of['seconds']):.0f}", f"{of['speed']['median']:.1f}"]
            for side, of in measured["sides"].items()
        ),
    )


TABLES: dict[str, tuple[str, Callable[[Found], str]]] = {
    "summary": ("ratios", summary),
    "settings": ("ratios", settings),
    "ratios": ("ratios", ratios),
    "where": ("ratios", where),
    "leading": ("ratios", leading),
    "compiled": ("ratios", compiled),
    "compilation": ("ratios", compilation),
    "memory": ("ratios", memory),
    "threads": ("threads", threads),
    "allocator": ("allocator", allocator),
    "beside": ("beside", beside),
    "scaling": ("scaling", scaling),
    "study": ("study", study),
}


def render(name: str, found: Found) -> str:
    """A table, or the words that say that its part was not measured.

    :param name: of the table
    :param found: the JSON; empty before there is one
    """
    part, make = TABLES[name]
    return make(found) if found.get(part) else NOT_MEASURED
