"""What the front page says equals what was published."""

from __future__ import annotations

import csv
from pathlib import Path

import yaml

from sb3_ppo_variants.bench.study import Study

ROOT = Path(__file__).parent.parent


def test_readme_shows_the_published_table() -> None:
    report = (ROOT / "benchmarks/published/quickstart/report.md").read_text()
    rows = [line for line in report.split("## Results")[1].split("![")[0].splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 4  # the heading, and stock PPO with three variants
    assert "\n".join(rows) in (ROOT / "README.md").read_text()


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
