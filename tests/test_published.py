"""Published studies are whole, and their reports are made again from their tables."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.remake import from_tables
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.provenance import versions
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.files import RECORDS_FILE, TABLE_FILES
from sb3_ppo_variants.bench.tuning.rounds import tuned
from sb3_ppo_variants.bench.tuning.table import TRIALS_FILE
from sb3_ppo_variants.bench.validation import read_study

ROOT = Path(__file__).parent.parent

# stock_kl was published before reports could be made from tables alone.
WHOLE = sorted(path.parent for path in (ROOT / "benchmarks/published").glob(f"*/{RECORDS_FILE}"))
# SHA-256 of the hashed JSON of all runs of a study, one a line.
HASHED = {
    "ablation": "9598aed8be899a80f9204f86695631df84f104dbc3602dc43b739e660d005aae",
    "actors": "5444f1cc776637b990fdd18fb44808aa2e8c62ccc7cd6b5b6929d3ee24e71243",
    "classic": "d70cb18c9d45e4f1aa98d5f0bec1fc89302b5e71dacd2bcbf42b5f47c4eb8013",
    "cliff": "5da599f8ed5744729681ec04115de7b0d0a180b2d69518be13892067f1c3acaf",
    "compiled": "f56a202d220054bf3ba0fa70708a4d338fbd4adac3fce1c234b8a85436d104c3",
    "compiled_lstm": "79bab8f60a66aa19b032bc21f100bf89ad75bf46bc5ff771bf501c9f89fef92d",
    "family": "9494069cb00e30927c5b45d280ef063547a736932724b412b797140403236d8f",
    "masked_memory": "4f4912c6a580396141516223e9fe6900cb8551920dc15cdb0cf404a06aaf396b",
    "memory": "cfc98334759a9e14541fa5fb0e276c648ceac477c191d6c7661a1e27b0b515b5",
    "minatar": "66c281bd45d94b02649bbb9e13df57ecb1cf6bc7f15616053d63dc228989b1c4",
    "mujoco": "b9d127bbee8e3c2bb904beb72a9028230aaedd4e08fb6cfe8956f8663e4164df",
    "mujoco_ant": "3cebc105ead195646952b9a78e1e6e04fb2830eee9e8e73644aafc178e2d535d",
    "mujoco_screen": "576ea695f8196e61c1d28f7b8a3d45b21fdbf92f567e9c24bbf85c53a709464a",
    "mujoco_table1": "d3f8a7ba0076926efe0947c0f1c8dc1e55f9d4292413d01b346a98458b5d2b51",
    "quickstart": "e0d0880b90adc15aefdb07d9725158a3587f52e624d09639bc775b270bb27405",
    "stock_kl": "2fea6e4edba8485cf8f46ae6d7479ccebc1fbe6794dea0953f21be1aa35d18c1",
    "stops": "f9c306775db22c7a7ca79f9c70bbb2c765de14cfbd5d6274641cfefe5deb03e3",
    "tuned": "d8f19baa8f32053e18f2c11f2ed7d5be90c883d46ee4171df048b6f3480443e4",
    "update": "6de9fd8028ab6dd6d311d844554cd7266ec0509c0354c3a5cdaf6f8b067cae6a",
}
DATE = re.compile(r"made \d{4}-\d\d-\d\d \d\d:\d\d UTC")


def test_published_studies_are_those_of_the_study_files() -> None:
    published = sorted((ROOT / "benchmarks/published").glob("*/study.yaml"))
    assert len(published) >= 2
    for study in published:
        assert study.read_text() == (ROOT / f"benchmarks/studies/{study.parent.name}.yaml").read_text()


def published_studies() -> dict[str, Study]:
    files = sorted((ROOT / "benchmarks/published").glob("*/study.yaml"))
    studies = [(file.parent, read_study(ROOT / f"benchmarks/studies/{file.parent.name}.yaml")) for file in files]
    return {folder.name: tuned(study, Folders(folder)) for folder, study in studies}


def test_published_runs_are_those_that_the_studies_stand_for() -> None:
    """A finished run is found by its identity, so what the harness learns must not change that of older runs."""
    for name, study in published_studies().items():
        with (ROOT / "benchmarks/published" / name / "results.csv").open() as file:
            published = {(row["arm"], row["environment"], row["seed"], row["identity"]) for row in csv.DictReader(file)}
        expected = {(run.arm, run.environment, str(run.seed), run.identity) for run in study.runs}
        assert published == expected, name


def test_what_identities_are_made_of_stays_byte_for_byte() -> None:
    digests = {
        name: hashlib.sha256("\n".join(run.hashed_json for run in study.runs).encode()).hexdigest()
        for name, study in published_studies().items()
    }
    assert digests == HASHED


@pytest.mark.parametrize("folder", WHOLE, ids=lambda path: path.name)
def test_published_tables_are_whole(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: checksum for checksum, name in (line.split("  ") for line in lines)}
    own = {"mujoco_table1": {"training.csv"}, "tuned": {TRIALS_FILE}}.get(folder.name, set())
    assert set(sums) == {"study.yaml", "timings.csv", *TABLE_FILES, RECORDS_FILE} | own
    for name, expected in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected, name


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(path, marks=pytest.mark.slow if path.name in ("classic", "cliff", "family") else [])
        for path in WHOLE
    ],
)
def test_a_published_report_is_made_again_from_its_tables(folder: Path, tmp_path: Path) -> None:
    """All of it but the date."""
    records = json.loads(content(folder / RECORDS_FILE))
    if any(record["provenance"]["versions"] != versions() for record in records):
        pytest.skip("other versions are installed than made the runs, which the report says")
    if any(find_spec(name) for name in ("pyarrow", "fastparquet")):
        pytest.skip("the report names a table for which the published one had no package")
    copy = tmp_path / folder.name
    made = from_tables(folder, copy).path.read_text()
    assert DATE.sub("", made) == DATE.sub("", (folder / "report.md").read_text())
    for name in TABLE_FILES:
        assert content(copy / name) == content(folder / name), name


def content(table: Path) -> bytes:
    """What a table holds; how much it was compressed does not count."""
    return gzip.decompress(table.read_bytes()) if table.suffix == ".gz" else table.read_bytes()
