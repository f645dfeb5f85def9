"""Where a step of the compiled rollout spends its time: `python -m benchmarks.rollout_profile [SETTING ...]`.

The loop of `sb3_ppo_variants.compiled.rollout` runs with a look at the clock after each of its statements; a look takes
about a microsecond when everything else has been pushed out of the processor's caches. The numbers are medians over all
steps of the rollouts, in microseconds.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import time
from collections import defaultdict
from statistics import median
from typing import Any
from unittest.mock import patch

import torch as th

from benchmarks.measurements.processor import pinned
from benchmarks.measurements.settings import SETTINGS
from benchmarks.measurements.sides import SIDES, Class
from benchmarks.measurements.stable_baselines import StableBaselines
from sb3_ppo_variants.compiled import compiler, rollout

STEPS = 8_000


class Watch:
    """Seconds of every statement of the loop."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self._last = time.perf_counter()

    def __call__(self, statement: str | None) -> None:
        """Note that a statement was done.

        :param statement: its text; ``None`` at the beginning of a step
        """
        now = time.perf_counter()
        if statement is not None:
            self.seconds[statement].append(now - self._last)
        self._last = time.perf_counter()


def watched(function: Any, watch: Watch) -> Any:
    """A function with a look at the clock after every statement of its `while` loop.

    :param function: with one such loop
    :param watch: that looks
    """
    tree = ast.parse(inspect.getsource(function))
    loop = next(node for node in ast.walk(tree) if isinstance(node, ast.While))
    statements = [(None, []), *((ast.unparse(one).splitlines()[0], [one]) for one in loop.body)]
    loop.body = [
        node
        for text, own in statements
        for node in [*own, ast.Expr(ast.Call(ast.Name("_watch", ast.Load()), [ast.Constant(text)], []))]
    ]
    names = {**function.__globals__, "_watch": watch}
    exec(compile(ast.fix_missing_locations(tree), "<watched>", "exec"), names)
    return names[function.__name__]


def profile(name: str) -> dict[str, float]:
    """Median microseconds of every statement, in the order of the loop.

    :param name: of the setting
    """
    side, watch = SIDES["compiled"], Watch()
    assert isinstance(side, Class)
    trainer = StableBaselines(side.model(SETTINGS[name]))
    trainer.end_to_end()
    with patch.object(compiler, "collect_rollouts", watched(rollout.collect_rollouts, watch)):
        for _ in range(max(1, STEPS // SETTINGS[name].hyperparameters.n_steps)):
            trainer.rollout()
    return {text: 1e6 * median(seconds) for text, seconds in watch.seconds.items()}


def main() -> None:
    """Print a table for each setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", default=["A", "B"])
    th.set_num_threads(1)
    for name in parser.parse_args().settings:
        with pinned():
            found = profile(name)
        total = sum(found.values())
        print(f"| {SETTINGS[name].title}: statement | microseconds | share |\n| --- | --- | --- |")
        for text, microseconds in found.items():
            if microseconds >= 0.01 * total:
                print(f"| `{text}` | {microseconds:.1f} | {microseconds / total:.0%} |")
        print(f"| all | {total:.1f} | |\n")


if __name__ == "__main__":
    main()
