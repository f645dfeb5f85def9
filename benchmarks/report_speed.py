"""CPU seconds of a report, by part: `python -m benchmarks.report_speed [--arms 30] [--environments 5] [--seeds 10]`.

The run folders are made up, with the files and sizes of real ones, in a temporary folder. Nothing is trained. With
`--publish` the numbers go to published/report_speed/report_speed.json, from which `make fill` takes the table of
docs/limits.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from benchmarks import markdown
from sb3_ppo_variants.bench.report import report
from sb3_ppo_variants.bench.runs.evaluation import TIMES_FILE
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.provenance import provenance
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study

PUBLISHED = Path(__file__).parent / "published/report_speed/report_speed.json"
EVALUATIONS, UPDATES = 40, 200
STEPS = EVALUATIONS * 1000
# Functions that the report module calls, each of them a part, and what they do.
PARTS = {
    "all_tables": "reading the runs",
    "write_beside": "writing the tables",
    "summarise": "statistics",
    "svg": "figures to SVG",
    "contents": "sections",
    "render": "templates",
}
# The functions that the figures are drawn by are called one by one, and nothing else takes time beside the parts.
DRAWING = "drawing figures"


def make_study(arms: int, environments: int) -> Study:
    """Arms that differ in their clip range, on environments with known scores."""
    algorithm = "sb3_ppo_variants.VariantPPO"
    return Study.model_validate(
        {
            "name": "made-up",
            "total_timesteps": STEPS,
            "seeds": 1,
            "evaluation": {"every": 1000, "episodes": 10, "last": 2},
            "environments": {
                f"Task{number}-v0": {"random_score": 0.0, "reference_score": 500.0} for number in range(environments)
            },
            "arms": {
                f"arm{number}": {"algorithm": algorithm, "arguments": {"clip_range": number / arms}}
                for number in range(1, arms)
            },
        }
    )


def make_run(run: Run, folder: Path, rng: np.random.Generator) -> None:
    """Write what a run leaves for the tables."""
    folder.mkdir(parents=True)
    steps = np.linspace(0, STEPS, EVALUATIONS + 1)[1:].astype(int)
    returns = rng.normal(400 * steps[:, None] / STEPS, 30, (EVALUATIONS, 10))
    np.savez(folder / "evaluations.npz", timesteps=steps, results=returns, ep_lengths=np.abs(returns).astype(int))
    pd.DataFrame({"timesteps": steps, "seconds": steps / rng.uniform(900, 1100)}).to_csv(folder / TIMES_FILE)
    updates = rng.lognormal(-4, 1, (UPDATES, 6))
    columns = [
        "train/kl",
        "train/approx_kl",
        "train/clip_range",
        "train/loss",
        "train/entropy_loss",
        "train/clip_fraction",
    ]
    progress = pd.DataFrame(updates, columns=columns)
    progress["time/total_timesteps"] = np.linspace(0, STEPS, UPDATES + 1)[1:].astype(int)
    progress.to_csv(folder / "progress.csv", index=False)
    record = {
        "identity": run.identity,
        "configuration": asdict(run),
        "provenance": provenance("ppo-bench run made-up.yaml"),
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:01:00+00:00",
        "wall_seconds": 60.0,
    }
    (folder / "run.json").write_text(json.dumps(record))


def timed(name: str, seconds: defaultdict[str, float]) -> Any:
    """A function of the report module that adds the time of its calls to ``seconds``."""
    function: Callable[..., Any] = getattr(report, name)

    def call(*arguments: Any, **named: Any) -> Any:
        start = time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            seconds[name] += time.process_time() - start

    return mock.patch.object(report, name, call)


def main() -> None:
    """Make the folders, time the report, print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option, default in (("--arms", 30), ("--environments", 5), ("--seeds", 10)):
        parser.add_argument(option, type=int, default=default)
    parser.add_argument("--publish", action="store_true")
    arguments = parser.parse_args()
    study = make_study(arguments.arms, arguments.environments).model_copy(
        update={"written_seeds": tuple(range(arguments.seeds))}
    )
    rng = np.random.default_rng(0)
    seconds: defaultdict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as temporary:
        folders = Folders(Path(temporary))
        for run in study.runs:
            make_run(run, folders.finished(run), rng)
        with contextlib.ExitStack() as patches:
            for name in PARTS:
                patches.enter_context(timed(name, seconds))
            start = time.process_time()
            report.make_report(study, "name: made-up", folders)
            total = time.process_time() - start
    parts = {title: round(seconds[name], 1) for name, title in PARTS.items()}
    parts[DRAWING] = round(total - sum(seconds.values()), 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = f"{arguments.arms} x {arguments.environments} x {arguments.seeds}"
    found = {size: {"parts": parts, "all": round(total, 1), "gibibytes": round(peak, 1)}}
    print(table(found))
    if arguments.publish:
        PUBLISHED.parent.mkdir(exist_ok=True)
        known = json.loads(PUBLISHED.read_text()) if PUBLISHED.exists() else {}
        PUBLISHED.write_text(json.dumps(known | found, indent=1) + "\n")


def table(found: dict[str, Any]) -> str:
    """The CPU seconds of each part, a row for each size of a study.

    :param found: by arms x environments x seeds
    """
    titles = [*PARTS.values(), DRAWING]
    rows = (
        [
            size,
            *(f"{of_size['parts'][title]:.1f}" for title in titles),
            f"{of_size['all']:.1f}",
            str(of_size["gibibytes"]),
        ]
        for size, of_size in found.items()
    )
    return markdown.table(["arms x environments x seeds", *titles, "all", "GiB of memory"], rows)


if __name__ == "__main__":
    main()
