"""A number is printed only if it comes from a whole run of the study; what is left out is named."""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.commands.report import write_report
from sb3_ppo_variants.bench.report.report import make_report
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.record import NotWhole, read_record
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.table.files import RECORDS_FILE, TABLE_FILES, write
from sb3_ppo_variants.bench.table.table import collect
from sb3_ppo_variants.bench.validation import read_study
from tests.bench.conftest import Finished
from tests.bench.run_folders import as_first_runs

FILES = (
    "run.json", "evaluations.npz", "evaluation_times.csv", "progress.csv", "0.monitor.csv", "1.monitor.csv",
    "output.txt", "CartPole-v1.zip", "best_model.zip", "CartPole-v1/config.yml", "CartPole-v1/args.yml",
)  # fmt: skip
# What a report reads, and may be damaged without another size.
READ = FILES[:4]


def cut(path: Path) -> None:
    content = path.read_bytes() or b"it was empty"
    path.write_bytes(content[: len(content) // 2])


def cut_at_a_line(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def junk(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))


def other_json(path: Path) -> None:
    path.write_text("[]")


def gone(path: Path) -> None:
    path.unlink()


Damage = Callable[[Path], None]


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Finished:
    folders = Folders(tmp_path / "results" / "tiny")
    shutil.copytree(finished.folders.root, folders.root)
    return Finished(finished.path, finished.study, folders)


@pytest.fixture
def tables(finished: Finished, tmp_path: Path) -> Folders:
    """A folder with the tables of the study and without its runs, as a published one."""
    folders = Folders(tmp_path / "results" / "tiny")
    folders.root.mkdir(parents=True)
    write(collect(finished.study.runs, finished.folders), folders.root)
    return folders


@pytest.fixture
def one(finished: Finished, tmp_path: Path) -> tuple[Run, Folders]:
    """One run of the study, and a copy of its folder alone."""
    run, folders = finished.study.run("ppo", "CartPole-v1", 0), Folders(tmp_path / "tiny")
    shutil.copytree(finished.folders.finished(run), folders.finished(run))
    return run, folders


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [cut, gone])
def test_a_run_with_a_file_that_is_cut_or_gone(one: tuple[Run, Folders], damage: Damage, name: str) -> None:
    run, folders = one
    damage(folders.finished(run) / name)
    found = collect([run], folders)
    assert [item.folder for item in found.left_out] == [folders.finished(run)]
    assert not len(found.results)


def test_a_model_is_used_only_as_the_run_left_it(one: tuple[Run, Folders]) -> None:
    run, folders = one
    zeroed(folders.finished(run) / "CartPole-v1.zip")
    assert read_record(run, folders.finished(run))["identity"] == run.identity
    with pytest.raises(NotWhole, match="CartPole-v1.zip is not as the run left it"):
        read_record(run, folders.finished(run), thorough=True)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("damage", [cut_at_a_line, zeroed, junk, other_json])
@pytest.mark.parametrize("first_runs", [False, True])
def test_a_damaged_file_that_numbers_come_from(
    one: tuple[Run, Folders], damage: Damage, name: str, first_runs: bool
) -> None:
    run, folders = one
    if first_runs:
        as_first_runs(folders.finished(run))
    if first_runs and name == "progress.csv" and damage is cut_at_a_line:
        pytest.skip("nothing says that one of two lines of the last step is gone")
    damage(folders.finished(run) / name)
    (item,) = collect([run], folders).left_out
    assert item.folder == folders.finished(run)
    assert name in item.reason
    assert "\n" not in item.reason


def test_report_and_status_go_on_and_name_the_folder(copy: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copy.folders.finished(copy.study.run("ppo", "CartPole-v1", 0))
    zeroed(folder / "evaluations.npz")
    reason = f"tiny/ppo/{folder.name}: evaluations.npz is not as the run left it"
    call = [str(copy.path), "--results", str(copy.folders.root.parent)]
    for command in ("run", "report", "status", "scores"):
        assert main([command, *call]) == 0
        assert reason in capsys.readouterr().out, command
    text = (copy.folders.root / "report.md").read_text()
    assert "7 of 8 runs finished" in text
    assert "7 finished, 0 failed, 0 missing" in text
    assert f"> - left out: {reason}" in text
    assert "## Left out" in text


def test_runs_of_other_settings_are_counted(copy: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    changed = copy.folders.root.parent.parent / "changed.yaml"
    changed.write_text(copy.path.read_text().replace("n_epochs: 2", "n_epochs: 3"))
    call = [str(changed), "--results", str(copy.folders.root.parent)]
    make_report(copy.study, "", copy.folders)
    before = (copy.folders.root / "results.csv").read_bytes()
    assert main(["report", *call]) == 1
    message = capsys.readouterr().err
    assert "no finished run of this study, nothing to report" in message
    assert "tiny/narrow: 4 runs that the study file does not have" in message
    # Interrupted before the file was changed, and while it is as it was.
    other, of_study = (study.run("ppo", "CartPole-v1", 0) for study in (copy.study, read_study(changed)))
    for run in (other, of_study):
        copy.folders.partial(run).mkdir(parents=True)
    assert main(["status", *call]) == 0
    shown = capsys.readouterr().out
    assert "tiny/ppo: 4 runs that the study file does not have" in shown
    assert "tiny/.partial: 1 unfinished run that the study file does not have" in shown
    assert (copy.folders.root / "results.csv").read_bytes() == before


def test_rows_of_other_settings_are_no_results(finished: Finished, tables: Folders) -> None:
    """Of a published folder, which has tables and no runs."""
    results = pd.read_csv(tables.root / "results.csv", dtype={"identity": str})
    run = finished.study.run("ppo", "CartPole-v1", 1)
    results.loc[results["identity"] == run.identity, "identity"] = "0123456789"
    results.to_csv(tables.root / "results.csv", index=False)
    before = {name: (tables.root / name).read_bytes() for name in (*TABLE_FILES, RECORDS_FILE)}
    made = make_report(finished.study, "", tables)
    text = made.path.read_text()
    assert "7 of 8 runs finished" in text
    assert "one run is in its tables, but not in the study file, such as ppo on CartPole-v1, seed 1, 0123456789" in text
    assert made.summary.counts["ppo", "CartPole-v1"] == 1
    # The tables are all that is kept of the other run.
    assert {name: (tables.root / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("name", [*TABLE_FILES, RECORDS_FILE])
@pytest.mark.parametrize("damage", [cut, zeroed, junk, other_json, gone])
def test_damaged_tables_are_one_sentence(finished: Finished, tables: Folders, damage: Damage, name: str) -> None:
    damage(tables.root / name)
    with pytest.raises(FileNotFoundError, match="nothing to report") as caught:
        make_report(finished.study, "", tables)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("command", ["run", "plan", "status"])
def test_no_run_of_damaged_tables_is_made_again(
    finished: Finished, tables: Folders, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(tables.root / "results.csv")
    assert main([command, str(finished.path), "--results", str(tables.root.parent)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{tables.root}: its tables cannot be read, ")
    assert error.endswith("the folders alone count, and the runs that they lack are made again.\n")
    assert not (tables.root / "ppo").exists()


@pytest.mark.parametrize("name", ["results.csv", "timings.csv"])
def test_a_run_that_is_not_whole_in_the_tables(finished: Finished, tables: Folders, name: str) -> None:
    cut_at_a_line(tables.root / name)
    made = make_report(finished.study, "", tables)
    (item,) = made.left_out
    assert item.reason.startswith("one run is not whole in its tables, such as ppo on Pendulum-v1, seed 1, ")
    assert made.summary.counts["ppo", "Pendulum-v1"] == 1


def test_tables_are_not_unpacked_without_bound(finished: Finished, tables: Folders) -> None:
    with gzip.open(tables.root / RECORDS_FILE, "wb") as file:
        for _ in range(20):
            file.write(bytes(1_000_000))
    assert (tables.root / RECORDS_FILE).stat().st_size < 100_000
    with pytest.raises(FileNotFoundError, match="records.json.gz is larger than 10000000 bytes"):
        make_report(finished.study, "", tables)


def test_an_arm_in_a_renamed_folder_is_finished(copy: Finished) -> None:
    """The name of an arm is a label: with its folder renamed, its runs stay finished."""
    path = copy.folders.root.parent.parent / "renamed.yaml"
    path.write_text(copy.path.read_text().replace("narrow:", "tight:"))
    (copy.folders.root / "narrow").rename(copy.folders.root / "tight")
    assert main(["report", str(path), "--results", str(copy.folders.root.parent)]) == 0
    text = (copy.folders.root / "report.md").read_text()
    assert "8 of 8 runs finished" in text
    assert "## Missing runs" not in text
    assert (
        json.loads(next((copy.folders.root / "tight").glob("*/run.json")).read_text())["configuration"]["arm"]
        == "narrow"
    )
    # The tables are those of the arm, so that they count without the folders.
    shutil.rmtree(copy.folders.root / "tight")
    shutil.rmtree(copy.folders.root / "ppo")
    records = (copy.folders.root / RECORDS_FILE).read_bytes()
    for command in ("status", "report"):
        assert main([command, str(path), "--results", str(copy.folders.root.parent)]) == 0
    assert "8 of 8 runs finished" in (copy.folders.root / "report.md").read_text()
    assert (copy.folders.root / RECORDS_FILE).read_bytes() == records


def test_tables_with_the_records_of_a_renamed_arm_are_read(finished: Finished, tables: Folders) -> None:
    """Earlier versions wrote the name that a record had."""
    text = gzip.decompress((tables.root / RECORDS_FILE).read_bytes()).decode()
    (tables.root / RECORDS_FILE).write_bytes(gzip.compress(text.replace('"narrow"', '"tight"').encode()))
    made = make_report(finished.study, "", tables)
    assert "8 of 8 runs finished" in made.path.read_text()
    assert gzip.decompress((tables.root / RECORDS_FILE).read_bytes()).decode() == text


def test_an_arm_that_only_the_tables_have_stays_in_them(copy: Finished) -> None:
    """Else what is made later would not be in them, or the arm would be lost."""
    make_report(copy.study, "", copy.folders)
    before = {name: (copy.folders.root / name).read_bytes() for name in (*TABLE_FILES, RECORDS_FILE)}
    shutil.rmtree(copy.folders.root / "narrow")
    # As if one run of the other arm had been made since.
    path = copy.folders.root / "results.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("ppo,Pendulum-v1,1,")))
    text = copy.path.read_text()
    changed = copy.folders.root.parent.parent / "stock.yaml"
    changed.write_text(f"{text[: text.index('narrow:')]}ppo: {{algorithm: stable_baselines3.PPO}}\n")
    made = make_report(read_study(changed), "", copy.folders)
    assert "4 of 4 runs finished" in made.path.read_text()
    assert (copy.folders.root / "results.csv").read_bytes() == before["results.csv"]
    assert "8 of 8 runs finished" in make_report(copy.study, "", copy.folders).path.read_text()
    assert {name: (copy.folders.root / name).read_bytes() for name in before} == before


def test_tables_are_not_written_over_runs_of_other_settings(copy: Finished) -> None:
    make_report(copy.study, "", copy.folders)
    path = copy.folders.root / "results.csv"
    run = copy.study.run("ppo", "CartPole-v1", 1)
    path.write_text(path.read_text().replace(run.identity, "0123456789"))
    before = path.read_bytes()
    made = make_report(copy.study, "", copy.folders)
    assert path.read_bytes() == before
    assert "its tables were not written: they are all that is left of runs that have other" in made.path.read_text()


def test_a_report_shows_the_study_as_it_was_read(copy: Finished, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(f"{copy.path.read_text()}# as ``` it was\n")
    study = read_study(path)
    path.write_text("name: another\n")
    write_report(study, argparse.Namespace(study=path, results=tmp_path / "results", allow_mixed_versions=False))
    assert (copy.folders.root / "study.yaml").read_text() == f"{copy.path.read_text()}# as ``` it was\n"
    # The text does not end its own block.
    assert "# as ``` it was\n````\n" in (copy.folders.root / "report.md").read_text()


def test_returns_beyond_all_bounds_are_unknown(finished: Finished, tables: Folders) -> None:
    results = pd.read_csv(tables.root / "results.csv", dtype={"identity": str})
    for arm, seed, value in (("ppo", 0, float("inf")), ("narrow", 1, 1e200)):
        rows = (results["arm"] == arm) & (results["seed"] == seed) & (results["environment"] == "CartPole-v1")
        results.loc[rows, "mean_return"] = value
    results.to_csv(tables.root / "results.csv", index=False)
    updates = pd.read_csv(tables.root / "updates.csv.gz")
    updates["kl"] = [float("inf"), 1e308, 1e-3, 1.0] * (len(updates) // 4)
    updates.to_csv(tables.root / "updates.csv.gz", index=False)
    made = make_report(finished.study, "", tables)
    text = made.path.read_text()
    assert "> - CartPole-v1, narrow: returns that are not finite in seed 1" in text
    assert "> - CartPole-v1, ppo: returns that are not finite in seed 0" in text
    assert np.isnan(made.summary.returns["ppo", "CartPole-v1"].value)
    assert np.isnan(made.summary.comparisons["narrow"].improvement.value)
    assert np.isfinite(made.summary.returns["ppo", "Pendulum-v1"].value)
    row = next(line for line in text.splitlines() if line.startswith("| narrow |"))
    assert row.split(" | ")[1] == "n/a"
