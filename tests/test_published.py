"""What the pages say equals what was published, and reports are made again from what was."""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from sb3_ppo_variants.bench.report.report import make_report
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.table import RECORDS_FILE, TABLE_FILES
from sb3_ppo_variants.bench.validation import read_study

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

from fill_results import BLOCK, PAGES, filled, first_table  # noqa: E402

# stock_kl was published before reports could be made from tables alone.
WHOLE = sorted(path.parent for path in (ROOT / "benchmarks/published").glob(f"*/{RECORDS_FILE}"))
DATE = re.compile(r"made \d{4}-\d\d-\d\d \d\d:\d\d UTC")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_show_the_published_tables(page: Path) -> None:
    text = page.read_text()
    assert BLOCK.search(text)
    assert filled(text) == text


def test_a_table_is_taken_from_its_section() -> None:
    rows = first_table("quickstart", "Results").splitlines()
    assert len(rows) == 2 + 4  # the heading, and stock PPO with three variants
    assert rows[2].startswith("| ppo | 488 ± 32 |")
    page = "a\n<!-- report: quickstart, Results -->\nold\n<!-- end -->\nb"
    assert filled(page) == "\n".join(["a", "<!-- report: quickstart, Results -->", "", *rows, "", "<!-- end -->", "b"])


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
    if "stale: other versions" in made or "no results.parquet" not in made:
        pytest.skip("other versions are installed than made the runs, which the report says")
    assert DATE.sub("", made) == DATE.sub("", (folder / "report.md").read_text())
    for name in TABLE_FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
