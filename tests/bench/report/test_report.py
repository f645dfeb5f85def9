from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.report.numbers import interval, mean_return
from sb3_ppo_variants.bench.report.report import make_report
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.provenance import MixedVersions
from sb3_ppo_variants.bench.statistics.intervals import Estimate
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.study.yaml_file import StudyLoader, load
from tests.bench.conftest import Finished

NAN = float("nan")


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Finished:
    """A study of its own to change and report."""
    folders = Folders(tmp_path / "results" / "tiny")
    shutil.copytree(finished.folders.root, folders.root)
    return Finished(finished.path, finished.study, folders)


def report(study: Finished, allow_mixed_versions: bool = False) -> str:
    made = make_report(study.study, study.path.read_text(), study.folders, allow_mixed_versions)
    return made.path.read_text()


def test_numbers_are_written_with_their_intervals() -> None:
    assert mean_return(Estimate(487.32, 460.1, 514.54)) == "487 [460, 515]"
    assert mean_return(Estimate(-1195.7, -1470.4, -921.0)) == "-1196 [-1470, -921]"
    assert mean_return(Estimate(0.5, NAN, NAN)) == "0.500"
    assert mean_return(Estimate(498.2, 494.59, 501.81)) == "498.2 [494.6, 501.8]"
    assert mean_return(Estimate(500.0, 500.0, 500.0)) == "500.0 [500.0, 500.0]"
    assert mean_return(Estimate(NAN, NAN, NAN)) == "n/a"
    assert mean_return(Estimate(3.0, -math.inf, math.inf)) == "3.00"
    assert "[" in mean_return(Estimate(1e200, -1e308, 1e308))
    assert interval(Estimate(0.5, 0.25, 1.0)) == "0.50 [0.25, 1.00]"
    assert interval(Estimate(0.5, NAN, NAN)) == "0.50"
    assert interval(Estimate(NAN, NAN, NAN)) == "n/a"
    # What rounds to zero has no sign.
    assert mean_return(Estimate(-0.3, -168.3, 167.7)) == "0 [-168, 168]"
    assert interval(Estimate(-0.004, -0.006, 0.001)) == "0.00 [-0.01, 0.00]"


def test_a_report_holds_table_figures_and_provenance(copy: Finished) -> None:
    text = report(copy)
    results = text.partition("## Arms")[0]
    rows = [line for line in results.splitlines() if line.startswith(("| ppo |", "| narrow |"))]
    assert len(rows) == 2
    assert "| baseline | 2 |" in rows[0]
    assert "8 of 8 runs finished" in text
    assert "**Few seeds.**" in text
    assert "**Mixed versions.**" not in text
    assert "CartPole-v1 from 20 (0) to 500 (1), random and reference score" in text
    assert "least and greatest run of this study" in text
    assert "`ppo-bench run tiny.yaml`" in text
    assert "clip_range: lin_0.1" in text
    assert "## Failed runs" not in text
    for line in text.splitlines():
        if line.startswith("!["):
            figure = copy.folders.root / line.partition("](")[2].rstrip(")")
            assert figure.stat().st_size > 2000
    assert (copy.folders.root / "study.yaml").read_text() == copy.path.read_text()
    assert len(list((copy.folders.root / "figures").glob("*.svg"))) == 6


def test_a_report_begins_with_its_title_its_question_and_its_answer(copy: Finished) -> None:
    said = {"title": "Narrow or wide?", "question": " Does a narrow clip help? ", "answer": "It | is not known."}
    titled = Study.model_validate({**load(copy.path.read_text(), StudyLoader), **said})
    assert [run.identity for run in titled.runs] == [run.identity for run in copy.study.runs]
    text = report(replace(copy, study=titled))
    assert [line for line in text.splitlines() if line][:3] == [
        "# Narrow or wide?",
        "**Question**: Does a narrow clip help?",
        "**Answer**: It | is not known.",
    ]
    assert "study tiny, 8 of 8 runs finished" in text
    page = (copy.folders.root / "report.html").read_text()
    assert "<title>Narrow or wide?</title>" in page
    assert "<strong>Question.</strong> Does a narrow clip help?" in page


def test_a_report_is_reproducible_but_for_its_date(copy: Finished) -> None:
    def snapshot() -> dict[str, bytes]:
        text = report(copy)
        files = {path.name: path.read_bytes() for path in (copy.folders.root / "figures").iterdir()}
        files["results.csv"] = (copy.folders.root / "results.csv").read_bytes()
        files["report.md"] = "\n".join(line for line in text.splitlines() if ", made 2" not in line).encode()
        return files

    assert snapshot() == snapshot()


def test_failed_and_missing_runs_are_listed(copy: Finished) -> None:
    failed, missing = copy.study.run("narrow", "CartPole-v1", 0), copy.study.run("ppo", "Pendulum-v1", 1)
    for run in (failed, missing):
        shutil.rmtree(copy.folders.finished(run))
    copy.folders.fail(failed, "Traceback (most recent call last):\nValueError: a | b\n")
    text = report(copy)
    assert "6 of 8 runs finished" in text
    assert "6 finished, 1 failed, 1 missing" in text
    assert "| narrow | CartPole-v1 | 0 | ValueError: a \\| b |" in text
    assert "| ppo | Pendulum-v1 | 1 |" in text
    assert "| 1 to 2 |" in text


def test_versions_are_not_mixed_silently(copy: Finished) -> None:
    path = copy.folders.finished(copy.study.run("ppo", "CartPole-v1", 0)) / "run.json"
    record = json.loads(path.read_text())
    ours = record["provenance"]["versions"]["torch"]
    record["provenance"]["versions"]["torch"] = "1.0.0"
    path.write_text(json.dumps(record))
    with pytest.raises(MixedVersions, match=f"torch: ({ours}, 1.0.0|1.0.0, {ours})".replace("+", r"\+")):
        report(copy)
    assert not (copy.folders.root / "report.md").exists()
    text = report(copy, allow_mixed_versions=True)
    assert "**Mixed versions.**" in text
    assert "torch 1.0.0" in text
    assert "stale" in text


def test_nothing_to_report(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no finished run"):
        make_report(finished.study, "", Folders(tmp_path))
