"""Table 1 of the PPO paper from the runs of the study mujoco_table1: `python -m benchmarks.table1`.

It writes `training.csv` in the folder of the study, and prints the tables of docs/table1.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.table1 import scores, tables
from benchmarks.table1.training import STUDY, collect
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.validation import read_study


def main() -> None:
    """Collect the returns of the runs and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of the results (default: results)"
    )
    study = read_study(STUDY)
    rows = collect(study, Folders(parser.parse_args().results / study.name))
    for render in tables.OF_TRAINING.values():
        print(render(rows), end="\n\n")
    print(f"Kendall's rank correlation with the paper's scores: {scores.kendall(rows):.2f}")


if __name__ == "__main__":
    main()
