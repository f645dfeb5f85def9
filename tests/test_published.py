"""What the front page says equals what was published."""

from __future__ import annotations

from pathlib import Path

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
