"""The tables of a study as files."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.table.files import RECORDS_FILE, ROUND_TRIP, TABLE_FILES, DamagedTables, write
from sb3_ppo_variants.bench.table.stored import all_tables, join, missing_runs, read, stored_runs, write_beside
from sb3_ppo_variants.bench.table.table import Tables, collect, of_arm
from tests.bench.conftest import Finished


def test_written_numbers_read_back_equal(finished: Finished, tmp_path: Path) -> None:
    table = collect(reversed(finished.study.runs), finished.folders)
    write(table, tmp_path)
    results = pd.read_csv(tmp_path / "results.csv", **ROUND_TRIP)
    pd.testing.assert_frame_equal(results, table.results, check_exact=True, check_dtype=False)
    assert results.sort_values(["arm", "environment", "seed", "timesteps"]).index.tolist() == list(range(32))
    assert {path.name for path in tmp_path.iterdir()} - {"results.parquet"} == {*TABLE_FILES, RECORDS_FILE}


def test_a_table_reads_back_equal(finished: Finished, tmp_path: Path) -> None:
    table = collect(finished.study.runs, finished.folders)
    assert read(tmp_path, finished.study.runs) is None
    write(table, tmp_path)
    again = read(tmp_path, finished.study.runs)
    assert again is not None
    assert again.records == table.records
    for name in TABLE_FILES.values():
        frame, expected = getattr(again, name), getattr(table, name)
        pd.testing.assert_frame_equal(frame, expected, check_exact=True, check_dtype=False)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write(again, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def without_folders(finished: Finished, folder: Path, gone: list[Run]) -> Folders:
    """A copy of the study with the tables of all runs, and without the folders of some."""
    folders = Folders(folder / "copy")
    shutil.copytree(finished.folders.root, folders.root)
    write(collect(finished.study.runs, folders), folders.root)
    for run in gone:
        shutil.rmtree(folders.finished(run))
    return folders


def test_runs_that_only_the_tables_have_are_finished(finished: Finished, tmp_path: Path) -> None:
    runs = finished.study.runs
    folders = without_folders(finished, tmp_path, runs[:3])
    assert missing_runs(runs, folders) == []
    assert [run for run, _ in stored_runs(runs, folders)] == runs[:3]
    before = {name: (folders.root / name).read_bytes() for name in [*TABLE_FILES, RECORDS_FILE]}
    write(all_tables(runs, folders), folders.root)
    assert {name: (folders.root / name).read_bytes() for name in before} == before


def test_a_run_that_the_tables_lack_is_missing(finished: Finished, tmp_path: Path) -> None:
    runs = finished.study.runs
    folders = without_folders(finished, tmp_path, runs[:3])
    (folders.root / "results.csv").write_text(
        "".join(
            line
            for line in (folders.root / "results.csv").read_text().splitlines(keepends=True)
            if not line.startswith(f"{runs[1].arm},{runs[1].environment},{runs[1].seed},")
        )
    )
    assert missing_runs(runs, folders) == [runs[1]]


def test_the_folder_of_a_run_counts_before_the_tables(finished: Finished, tmp_path: Path) -> None:
    runs = finished.study.runs
    folders = without_folders(finished, tmp_path, runs[:3])
    stored = pd.read_csv(folders.root / "results.csv", **ROUND_TRIP)
    stored.assign(mean_return=0.0).to_csv(folders.root / "results.csv", index=False)
    results = all_tables(runs, folders).results
    zeros = results[results["mean_return"] == 0.0]
    assert set(zeros["seed"]) == {run.seed for run in runs[:3]}
    assert len(zeros) < len(results) == len(stored)


def test_the_tables_count_where_a_folder_is_damaged(finished: Finished, tmp_path: Path) -> None:
    """The rows of its run are nowhere else, and the next report would write the tables without them."""
    runs = finished.study.runs
    folders = without_folders(finished, tmp_path, [])
    before = (folders.root / "results.csv").read_bytes()
    (folders.finished(runs[4]) / "evaluations.npz").unlink()
    tables = write_beside(all_tables(runs, folders), folders.root)
    assert (folders.root / "results.csv").read_bytes() == before
    assert [(item.folder, item.reason) for item in tables.left_out] == [
        (folders.finished(runs[4]), "evaluations.npz is missing; its numbers are those of the tables")
    ]


def test_damaged_tables_are_no_missing_runs(finished: Finished, tmp_path: Path) -> None:
    """All runs that only they have would be made again."""
    runs = finished.study.runs
    folders = without_folders(finished, tmp_path, runs[:3])
    (folders.root / "updates.csv.gz").write_bytes(b"damaged")
    with pytest.raises(DamagedTables, match=r"copy: its tables cannot be read, BadGzipFile: "):
        missing_runs(runs, folders)
    assert missing_runs(runs[3:], folders) == []


def test_a_share_of_the_runs_finds_its_own(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How large tables may be depends on the runs in them, not on those that are asked for."""
    runs = finished.study.runs
    folders = without_folders(finished, tmp_path, runs)
    with gzip.open(folders.root / RECORDS_FILE) as file:
        monkeypatch.setattr("sb3_ppo_variants.bench.table.files.MOST_OF_RUN", len(file.read()) // len(runs))
    assert missing_runs(runs, folders) == []
    assert missing_runs(runs[:1], folders) == []


def test_damaged_tables_are_written_anew_from_the_folders_and_kept(finished: Finished, tmp_path: Path) -> None:
    """The rows of runs whose folders are gone are nowhere else."""
    runs = finished.study.runs
    folders = without_folders(finished, tmp_path, runs[:3])
    whole = (folders.root / "results.csv").read_bytes()
    (folders.root / "times.csv.gz").write_bytes(b"damaged")
    for _ in range(2):
        tables = all_tables(runs, folders)
        written = write_beside(tables, folders.root)
        assert len(written.timings) == len(runs) - 3
        assert read(folders.root, runs) is not None
        reasons = [item.reason for item in written.left_out]
        assert reasons[0].startswith("its tables cannot be read, BadGzipFile")
        assert reasons[1] == "the damaged tables are kept, as results.csv.damaged and so on"
        assert (folders.root / "results.csv.damaged").read_bytes() == whole
        (folders.root / "times.csv.gz").write_bytes(b"damaged again")


def test_a_kill_while_records_are_written_leaves_the_earlier_ones(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = collect(finished.study.runs, finished.folders)
    write(tables, tmp_path)
    before = (tmp_path / RECORDS_FILE).read_bytes()

    def killed(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        write(tables, tmp_path)
    assert (tmp_path / RECORDS_FILE).read_bytes() == before


def test_arms_with_equal_runs_keep_their_own_records(finished: Finished, tmp_path: Path) -> None:
    """One of them went on from a checkpoint, say."""
    run = finished.study.runs[0]
    twin = replace(run, arm=f"{run.arm}-again")
    assert twin.identity == run.identity
    table, (record,) = collect([run], finished.folders), collect([run], finished.folders).records
    resumed = {**of_arm(record, twin.arm), "resumed": [{"timesteps": 64, "differs": None}]}
    frames = {name: getattr(table, name).assign(arm=twin.arm) for name in TABLE_FILES.values()}
    write(join(table, Tables(**frames, records=[resumed], left_out=[])), tmp_path)
    again = read(tmp_path, [run, twin])
    assert again is not None
    assert again.records == [record, resumed]
