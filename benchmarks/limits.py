"""How far the harness goes: `python -m benchmarks.limits [--runs 1000 2000 4000] [--executor dask] [--workers 8]`.

Each study has so many runs of eight steps, in an environment that costs nothing, by a PPO that does not train. So what
is measured is the harness: runs per second, memory, the time of each command, and what a run asks of a file system. The
results lie in a temporary folder. The numbers are written to published/limits/limits.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3 import PPO

from benchmarks.measurements import tables

PUBLISHED = Path(__file__).parent / "published/limits/limits.json"
STEPS = 8
SEEDS = 1000
COMMANDS = ("plan", "run", "status", "report")
# What a run asks of a file system; the names are those of Python's audit events.
OPERATIONS = {
    "open": "open",
    "os.mkdir": "make a folder",
    "os.rename": "rename",
    "os.remove": "remove",
    "os.rmdir": "remove a folder",
    "os.listdir": "list",
    "os.scandir": "list",
}


class Nothing(gym.Env[Any, Any]):
    """An episode of one step that costs nothing."""

    observation_space = spaces.Box(-1.0, 1.0, (1,))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """End it."""
        return np.zeros(1, dtype=np.float32), 1.0, True, False, {}


class Untrained(PPO):
    """Leaves out the update."""

    def train(self) -> None:
        """Do nothing."""
        self.logger.record("train/loss", 0.0)


if "Nothing-v0" not in gym.registry:  # this module is imported by its name, too
    gym.register("Nothing-v0", entry_point="benchmarks.limits:Nothing")


def study_of(runs: int) -> dict[str, Any]:
    """A study with so many runs, a multiple of 10: two arms for every two thousand runs or less."""
    arms = max(2, 2 * -(-runs // (2 * SEEDS)))
    algorithm = {"algorithm": "benchmarks.limits.Untrained"}
    return {
        "name": f"limits-{runs}",
        "baseline": "arm0",
        "total_timesteps": STEPS,
        "seeds": runs // arms,
        "evaluation": {"every": STEPS // 2, "episodes": 1, "last": 2},
        "environments": {"benchmarks.limits:Nothing-v0": {"random_score": 0, "reference_score": 1}},
        "arguments": {"device": "cpu", "n_steps": STEPS // 2, "batch_size": STEPS // 2},
        "arms": {f"arm{number}": algorithm for number in range(arms)},
    }


def command(arguments: list[str]) -> None:
    """Call a command in this process, and print its times and its greatest memory as the last line."""
    from sb3_ppo_variants.bench.cli import main as call

    start, cpu = time.perf_counter(), time.process_time()
    code = call(arguments)
    took, cpu = time.perf_counter() - start, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"code": code, "seconds": took, "cpu": cpu, "memory": memory}))


def measured(arguments: list[str], folder: Path) -> dict[str, float]:
    """The times and the memory of a command in a process of its own."""
    called = [sys.executable, "-m", "benchmarks.limits", "--call", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(called, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if found.pop("code"):
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout[-2000:]}")
    return found


def files_of_a_run(folder: Path) -> dict[str, Any]:
    """The files and bytes that a run leaves, and what it asks of the file system until then."""
    from sb3_ppo_variants.bench.runs.folders import Folders
    from sb3_ppo_variants.bench.runs.train import execute
    from sb3_ppo_variants.bench.study.study import Study

    first, second = Study.model_validate(study_of(20)).runs[:2]
    folders, counted, counts = Folders(folder / "files"), False, Counter[str]()

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if counted and event in OPERATIONS and str(folder) in str(arguments[0]):
            counts[OPERATIONS[event]] += 1

    sys.addaudithook(audit)
    for run in (first, second):  # the first imports what it needs
        counted = run is second
        claimed = folders.claim(run)
        assert claimed is not None
        execute(run, claimed, "")
        folders.publish(run, claimed)
    counted = False
    left = [path for path in folders.finished(second).rglob("*") if path.is_file()]
    return {"operations": dict(counts), "files": len(left), "bytes": sum(path.stat().st_size for path in left)}


def table(studies: list[dict[str, Any]]) -> str:
    """The table of the docs, a row for each study.

    :param studies: of the JSON
    """
    rows = (
        [
            f"{study['runs']:,}",
            f"{study['workers']} {study['executor']}",
            f"{study['runs'] / study['run']['seconds']:.1f}",
            *(f"{study[name]['seconds']:.1f} s" for name in ("plan", "status", "report")),
            *(f"{study[name]['memory']:.0f} MiB" for name in ("run", "report")),
        ]
        for study in sorted(studies, key=lambda study: (study["executor"], study["runs"]))
    )
    heading = ["runs", "workers", "runs per second", "plan", "status", "report", "memory of run", "memory of report"]
    return tables.table(heading, rows)


def files_table(files: dict[str, Any]) -> str:
    """What a run leaves and what it asks of a file system, a row each.

    :param files: of the JSON
    """
    rows = [
        ["files that it leaves", str(files["files"])],
        ["bytes that it leaves", f"{files['bytes']:,}"],
        *([f"operations: {name}", str(count)] for name, count in files["operations"].items()),
    ]
    return tables.table(["of a run", "number"], rows)


def main() -> None:
    """Measure, print and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 2000, 4000])
    parser.add_argument("--executor", choices=("local", "dask"), default="local")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--output", type=Path, default=PUBLISHED)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = files_of_a_run(folder)
        print(files, flush=True)
        for runs in options.runs:
            path = folder / f"limits-{runs}.yaml"
            path.write_text(json.dumps(study_of(runs)))
            how = ["--workers", str(options.workers)]
            more = {"plan": how, "run": [*how, "--executor", options.executor]}
            found = {name: measured([name, path.name, *more.get(name, [])], folder) for name in COMMANDS}
            rows.append({"runs": runs, "executor": options.executor, "workers": options.workers, **found})
            print(json.dumps(rows[-1]), flush=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(options.output.read_text())["studies"] if options.output.exists() else []
    measured_now = {(row["runs"], row["executor"], row["workers"]) for row in rows}
    kept = [row for row in kept if (row["runs"], row["executor"], row["workers"]) not in measured_now]
    options.output.write_text(json.dumps({"files": files, "studies": kept + rows}, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--call"]:
        command(sys.argv[2:])
    else:
        main()
