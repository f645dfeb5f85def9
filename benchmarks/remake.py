"""Make published reports again from their tables, after a change of the report.

`python -m benchmarks.remake [STUDY ...]`; without a study, all of them.
The tables stay as they are. `tests/test_published.py` fails where a published report is not what its tables give.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from sb3_ppo_variants.bench.report.report import make_report
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.table.stored import RECORDS_FILE
from sb3_ppo_variants.bench.validation import read_study

PUBLISHED = Path(__file__).parent / "published"


def remake(folder: Path) -> None:
    """Make the report and the figures of a published study again.

    :param folder: where it is published
    """
    study = read_study(folder / "study.yaml")
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(shutil.copytree(folder, Path(temporary) / folder.name))
        shutil.rmtree(copy / "figures")
        report = make_report(study, study.text, Folders(copy))
        shutil.copy(report.path, folder)
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
