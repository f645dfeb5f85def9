"""The studies that show how far the harness goes."""

from __future__ import annotations

import pytest

from benchmarks.limits import Nothing, files_table, study_of, table
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


def test_the_table_gives_the_rate_and_the_time_of_each_command() -> None:
    took = {name: {"seconds": 2.0, "cpu": 1.0, "memory": 300.4} for name in ("plan", "status", "report")}
    study = {"runs": 1000, "executor": "dask", "workers": 8, **took, "run": {"seconds": 400.0, "memory": 512.0}}
    last = table([study]).splitlines()[-1]
    assert last == "| 1,000 | 8 dask | 2.5 | 2.0 s | 2.0 s | 2.0 s | 512 MiB | 300 MiB |"


def test_the_files_of_a_run_are_a_row_each() -> None:
    rows = files_table({"files": 10, "bytes": 12345, "operations": {"open": 7}}).splitlines()
    assert rows[2:] == [
        "| files that it leaves | 10 |",
        "| bytes that it leaves | 12,345 |",
        "| operations: open | 7 |",
    ]
