"""The studies that show how far the harness goes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import limits
from benchmarks.empty_runs import Nothing
from benchmarks.limits import copy_runs, study_of
from docs import fill
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.whole import whole_runs
from sb3_ppo_variants.bench.study.study import Study


@pytest.mark.parametrize("runs", [20, 1000, 4000, 100_000])
def test_a_study_has_so_many_runs(runs: int) -> None:
    study = Study.model_validate(study_of(runs))
    assert len(study.arms) * len(study.environments) * len(study.seeds) == runs
    assert next(iter(study.arms)) == "arm0"


def test_an_episode_has_one_step() -> None:
    env = Nothing()
    env.reset(seed=0)
    assert env.step(0)[1:4] == (1.0, True, False)


TOOK = {name: {"seconds": 2.0, "cpu": 1.0, "memory": 300.4} for name in ("plan", "status", "report")}
RAN = {"executor": "dask", "workers": 8, **TOOK, "run": {"seconds": 400.0, "memory": 512.0}}
PUBLISHED = {
    "studies": [{"runs": 1000, "made": 1000, **RAN}, {"runs": 1000, "made": 100, **RAN}],
    "files": {"files": 10, "bytes": 12345, "operations": {"open": 7}},
}


def test_the_tables_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "limits.json").write_text(json.dumps(PUBLISHED))
    monkeypatch.setattr(fill, "LIMITS", tmp_path / "limits.json")
    assert fill.limits().splitlines()[-2:] == [
        "| 1,000 | 8 dask | - | 1.0 s | 1.0 s | 1.0 s | 512 MiB | 300 MiB |",
        "| 1,000 | 8 dask | 2.5 | 1.0 s | 1.0 s | 1.0 s | 512 MiB | 300 MiB |",
    ]
    rows = fill.files_of_a_run().splitlines()
    assert rows[2:4] == ["| files that it leaves | 10 |", "| bytes that it leaves | 12,345 |"]
    assert rows[4:] == ["| operations: open | 7 |"]


def test_copies_are_finished_runs_of_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINKS", 8)
    copy_runs(study_of(120), tmp_path)
    study = Study.model_validate(study_of(120))
    whole, left_out = whole_runs(study.runs, Folders(tmp_path / study.name))
    assert [run for run, _ in whole] == study.runs[:20]
    assert left_out == []
    # Two are copies and not links, from which the next ones are made: 8, 8 and 4 links of a file.
    files = [Folders(tmp_path / study.name).finished(run) / "progress.csv" for run in study.runs[:20]]
    assert sorted(path.stat().st_nlink for path in files) == [4] * 4 + [8] * 16


def test_a_process_of_a_run_imports_little_of_the_measurement() -> None:
    """Every run's process imports the module that the command was: matplotlib in it made a run ten times as long."""
    code = "import sys, benchmarks.limits; print(*{'torch', 'matplotlib', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
