"""Published studies are whole, and their reports are made again from their tables."""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
from pathlib import Path

import pytest
import yaml

from sb3_ppo_variants.bench.report.report import make_report
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.table import RECORDS_FILE, TABLE_FILES
from sb3_ppo_variants.bench.validation import read_study

ROOT = Path(__file__).parent.parent

# stock_kl was published before reports could be made from tables alone.
WHOLE = sorted(path.parent for path in (ROOT / "benchmarks/published").glob(f"*/{RECORDS_FILE}"))
DATE = re.compile(r"Made \d{4}-\d\d-\d\d \d\d:\d\d UTC")


def test_published_studies_are_those_of_the_study_files() -> None:
    published = sorted((ROOT / "benchmarks/published").glob("*/study.yaml"))
    assert len(published) >= 2
    for study in published:
        assert study.read_text() == (ROOT / f"benchmarks/studies/{study.parent.name}.yaml").read_text()


def test_published_runs_are_those_that_the_studies_stand_for() -> None:
    """A finished run is found by its identity, so what the harness learns must not change that of older runs."""
    for path in sorted((ROOT / "benchmarks/published").glob("*/study.yaml")):
        study = Study.model_validate(yaml.safe_load(path.read_text()))
        with (path.parent / "results.csv").open() as file:
            published = {(row["arm"], row["environment"], row["seed"], row["identity"]) for row in csv.DictReader(file)}
        assert published == {(run.arm, run.environment, str(run.seed), run.identity) for run in study.runs()}


@pytest.mark.parametrize("folder", WHOLE, ids=lambda path: path.name)
def test_published_tables_are_whole(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: checksum for checksum, name in (line.split("  ") for line in lines)}
    assert set(sums) == {"study.yaml", "timings.csv", *TABLE_FILES, RECORDS_FILE}
    for name, expected in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected, name


@pytest.mark.parametrize(
    "folder", [pytest.param(path, marks=pytest.mark.slow if path.name == "family" else []) for path in WHOLE]
)
def test_a_published_report_is_made_again_from_its_tables(folder: Path, tmp_path: Path) -> None:
    """All of it but the date."""
    for name in (*TABLE_FILES, RECORDS_FILE):
        shutil.copy(folder / name, tmp_path)
    study = read_study(folder / "study.yaml")
    made = make_report(study, (folder / "study.yaml").read_text(), Folders(tmp_path)).path.read_text()
    if "stale: other versions" in made or "results.parquet" in made.split("No results.parquet")[0]:
        pytest.skip("other versions are installed than made the runs, which the report says")
    assert DATE.sub("", made) == DATE.sub("", (folder / "report.md").read_text())
    for name in TABLE_FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
