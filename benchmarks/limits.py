"""How far the harness goes: `python -m benchmarks.limits [--runs 1000 2000 4000] [--executor dask] [--workers 8]`.

With `--copies` all runs but the last 100 are copies of one, so that the commands are measured with very many runs.

Each study has so many runs of eight steps, in an environment that costs nothing, by a PPO that does not train. So what
is measured is the harness: runs per second, memory, the time of each command, and what a run asks of a file system. The
results lie in a temporary folder. The numbers are written to published/limits/limits.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

PUBLISHED = Path(__file__).parent / "published/limits/limits.json"
STEPS = 8
SEEDS = 1000
# A file has no more links on ext4 than some 65 000.
LINKS = 50_000
# Runs that are made where the others are copies.
LEFT = 100
ABOUT = ("runs", "made", "executor", "workers")
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


def study_of(runs: int) -> dict[str, Any]:
    """A study with so many runs, a multiple of 10: two arms for every two thousand runs or less."""
    arms = max(2, 2 * -(-runs // (2 * SEEDS)))
    algorithm = {"algorithm": "benchmarks.empty_runs.Untrained"}
    return {
        "name": f"limits-{runs}",
        "baseline": "arm0",
        "total_timesteps": STEPS,
        "seeds": runs // arms,
        "evaluation": {"every": STEPS // 2, "episodes": 1, "last": 2},
        "environments": {"benchmarks.empty_runs:Nothing-v0": {"random_score": 0, "reference_score": 1}},
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


def copy_runs(study: dict[str, Any], results: Path) -> None:
    """Fill the folder of a study with copies of its first run, all but the last :data:`LEFT` runs.

    A copy has a record of its own and links to the other files.

    :param study: as a mapping
    :param results: where the folder of the study lies
    """
    from sb3_ppo_variants.bench.runs.folders import Folders
    from sb3_ppo_variants.bench.runs.record import RECORD
    from sb3_ppo_variants.bench.runs.train import execute
    from sb3_ppo_variants.bench.study.study import Study

    first, *copied = Study.model_validate(study).runs[:-LEFT]
    folders = Folders(results / str(study["name"]))
    claimed = folders.claim(first)
    assert claimed is not None
    execute(first, claimed, "")
    folders.publish(first, claimed)
    finished = folders.finished(first)
    record = json.loads((finished / RECORD).read_text())
    for number, run in enumerate(copied, start=1):
        folder, linked = folders.finished(run), number % LINKS != 0
        shutil.copytree(finished, folder, copy_function=os.link if linked else shutil.copy2)
        (folder / RECORD).unlink()
        (folder / RECORD).write_text(json.dumps({**record, "identity": run.identity, "configuration": asdict(run)}))
        finished = finished if linked else folder


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


def main() -> None:
    """Measure, print and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 2000, 4000])
    parser.add_argument("--executor", choices=("local", "dask"), default="local")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--copies", action="store_true", help=f"copy all runs but the last {LEFT}")
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
            if options.copies:
                copy_runs(study_of(runs), folder / "results")
            how = ["--workers", str(options.workers)]
            more = {"plan": how, "run": [*how, "--executor", options.executor]}
            found = {name: measured([name, path.name, *more.get(name, [])], folder) for name in COMMANDS}
            about = {"runs": runs, "made": LEFT if options.copies else runs}
            rows.append({**about, "executor": options.executor, "workers": options.workers, **found})
            print(json.dumps(rows[-1]), flush=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(options.output.read_text())["studies"] if options.output.exists() else []
    measured_now = {tuple(row[name] for name in ABOUT) for row in rows}
    kept = [row for row in kept if tuple(row[name] for name in ABOUT) not in measured_now]
    options.output.write_text(json.dumps({"files": files, "studies": kept + rows}, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--call"]:
        command(sys.argv[2:])
    else:
        main()
