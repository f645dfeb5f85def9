"""The numbers of a study as data frames."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from sb3_ppo_variants.bench import Results, load_results
from sb3_ppo_variants.bench.validation import StudyMistakes
from tests.pages import DOCS

PUBLISHED = Path(__file__).parents[2] / "benchmarks/published"
FRAMES = ("runs", "evaluations", "updates", "timings", "comparisons")
# The other columns of updates are what the algorithms log.
COMMON = ["arm", "environment", "seed", "timesteps"]


@pytest.fixture(scope="module")
def ablation() -> Results:
    return load_results(PUBLISHED / "ablation", allow_mixed_versions=True)


def documented(frame: str) -> set[str]:
    rows = re.findall(r"^\| (`[\w`, ]+`) \| ([\w, ]+) \|", (DOCS / "paper.md").read_text(), re.MULTILINE)
    return {
        name
        for names, frames in rows
        if frame in frames.split(", ") or frames == "all"
        for name in re.findall(r"`(\w+)`", names)
    }


@pytest.mark.parametrize("name", FRAMES)
def test_every_column_is_documented(ablation: Results, name: str) -> None:
    frame: pd.DataFrame = getattr(ablation, name)
    if name == "updates":
        assert list(frame.columns[:4]) == COMMON
        assert documented(name) == set(COMMON)
    else:
        assert documented(name) == set(frame.columns)


def test_the_numbers_are_those_of_the_report(ablation: Results) -> None:
    means = ablation.runs.groupby("arm")["score"].mean()
    assert (means["ppo"], round(means["limits-base"])) == (500.0, 278)
    assert len(ablation.runs) == len(ablation.timings) == 50
    assert ablation.runs.groupby("arm")["normalised_score"].mean()["ppo"] == 1.0
    assert len(ablation.evaluations) == 400
    first = ablation.evaluations.to_dict("records")[0]
    assert (first["timesteps"], first["mean_return"], first["seconds"]) == (4096, 407.1, 2.957)
    # Four arms with the baseline, and all pairs of five.
    assert ablation.comparisons["family"].value_counts().to_dict() == {"baseline": 4, "pairs": 10}
    (row,) = ablation.comparisons.query("family == 'baseline' and arm == 'limits-base'").to_dict("records")
    assert (row["other"], round(row["improvement"], 2), row["differs"], row["environments"]) == ("ppo", 0.05, True, 1)


def test_a_study_file_and_the_folder_of_results() -> None:
    found = load_results(PUBLISHED / "ablation/study.yaml", PUBLISHED, allow_mixed_versions=True)
    assert len(found.runs) == 50


def test_a_folder_without_a_study_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyMistakes, match=r"study\.yaml: No such file"):
        load_results(tmp_path)


def test_the_import_is_light() -> None:
    code = "import sys, sb3_ppo_variants.bench; print(*{'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
