"""Wall time of two workers against one: `python -m benchmarks.parallel [--repetitions 4] [--json FILE]`.

A study of 16 equal runs goes through `ppo-bench run` with one worker and with two, each time into an empty folder, and
the two orders alternate from repetition to repetition. A ratio is the time of one worker divided by that of two in the
same repetition, so that 2 is perfect. "command" is the whole command with the start of Python and the report, "runs" is
the time from the beginning of the first run to the end of the last one. It needs two cores that nobody else uses.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sb3_ppo_variants.bench.runs.provenance import cpu, versions

STUDY = """
name: parallel
total_timesteps: {steps}
seeds: 16
evaluation: {{every: {steps}, episodes: 5, last: 1}}
arguments: {{device: cpu}}
environments: [CartPole-v1]
"""
RUNS = 16
PARTS = ("command", "runs")


def measure(workers: int, steps: int) -> dict[str, float]:
    """Run the study in an empty folder and return the seconds of each part.

    :param workers: number of runs at once
    :param steps: environment steps per run
    """
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.yaml"
        study.write_text(STUDY.format(steps=steps))
        command = [sys.executable, "-m", "sb3_ppo_variants.bench", "run", str(study), "--results", folder]
        start = time.perf_counter()
        subprocess.run([*command, "--workers", str(workers)], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        records = [json.loads(path.read_text()) for path in (Path(folder) / "parallel").glob("*/*/run.json")]
    if len(records) != RUNS:
        raise RuntimeError(f"{len(records)} of {RUNS} runs were made")
    started = pd.to_datetime([record["started"] for record in records])
    finished = pd.to_datetime([record["finished"] for record in records])
    return {"command": seconds, "runs": (finished.max() - started.min()).total_seconds()}


def rows(repetitions: int, steps: int) -> list[dict[str, Any]]:
    """Measure both numbers of workers so many times; one row per repetition."""
    found = []
    for repetition in range(repetitions):
        order = (1, 2) if repetition % 2 else (2, 1)
        seconds = {workers: measure(workers, steps) for workers in order}
        row = {
            "first": order[0],
            **{f"{part}_{workers}": round(seconds[workers][part], 2) for part in PARTS for workers in (1, 2)},
            **{f"{part}_ratio": round(seconds[1][part] / seconds[2][part], 3) for part in PARTS},
        }
        print(row, flush=True)
        found.append(row)
    return found


def main() -> None:
    """Measure, print a table, write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=4)
    parser.add_argument("--steps", type=int, default=40_000, help="environment steps per run (default: 40 000)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = rows(options.repetitions, options.steps)
    print("\n| part | one worker, s | two workers, s | ratio, median | lowest | highest |")
    print("| --- | --- | --- | --- | --- | --- |")
    summary = {}
    for part in PARTS:
        one, two, ratio = (np.array([row[f"{part}_{key}"] for row in found]) for key in ("1", "2", "ratio"))
        summary[part] = {"median": float(np.median(ratio)), "low": float(ratio.min()), "high": float(ratio.max())}
        cells = [
            f"{np.median(one):.1f}",
            f"{np.median(two):.1f}",
            *(f"{value:.2f}" for value in summary[part].values()),
        ]
        print(f"| {part} | {' | '.join(cells)} |")
    if options.json:
        record = {
            "runs": RUNS,
            "steps_per_run": options.steps,
            "cpu": cpu(),
            "platform": platform.platform(),
            "versions": versions(),
            "ratios": summary,
            "repetitions": found,
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
