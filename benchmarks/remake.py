"""Make published reports again from their tables, after a change of the report.

`python -m benchmarks.remake [STUDY ...]`; without a study, all of them.
The tables stay as they are. `tests/test_published.py` fails where a published report is not what its tables give.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from sb3_ppo_variants.bench.report.report import Report, make_report
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.table.files import RECORDS_FILE
from sb3_ppo_variants.bench.tuning.rounds import tuned
from sb3_ppo_variants.bench.validation import read_study

PUBLISHED = Path(__file__).parent / "published"
STUDIES = Path(__file__).parent / "studies"


def from_tables(folder: Path, copy: Path) -> Report:
    """Make the report of a published study in another folder.

    :param folder: with the tables; the study file is that of ``studies``, which may name files beside it
    :param copy: the other folder, which is made
    """
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("figures", "report.*"))
    study, folders = read_study(STUDIES / f"{folder.name}.yaml"), Folders(copy)
    return make_report(tuned(study, folders), study.text, folders, allow_mixed_versions=True)


def remake(folder: Path) -> None:
    """Make the report and the figures of a published study again.

    :param folder: where it is published
    """
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / folder.name
        shutil.copy(from_tables(folder, copy).path, folder)
        shutil.rmtree(folder / "figures")
        shutil.copytree(copy / "figures", folder / "figures")


def main() -> None:
    """Make those that are named, or all."""
    known = sorted(path.parent.name for path in PUBLISHED.glob(f"*/{RECORDS_FILE}"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", metavar="STUDY", default=known, help="names of published studies")
    for name in parser.parse_args().studies:
        if name not in known:
            parser.error(f"{name} has no published tables; those that have: {', '.join(known)}")
        print(name, flush=True)
        remake(PUBLISHED / name)


if __name__ == "__main__":
    main()
