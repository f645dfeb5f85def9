"""A tuned study on the command line: its trials are the same whoever makes them and whatever interrupts them."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import textwrap
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.cli import main
from tests.bench.conftest import WriteStudy
from tests.bench.faults import Start, bench, gone
from tests.bench.gate import Gate
from tests.bench.studies import mistakes
from tests.waiting import wait_for

TUNED = """
    name: tuned
    total_timesteps: 128
    seeds: 1
    evaluation: {every: 64, episodes: 1, last: 1}
    arguments: {device: cpu, n_steps: 64, n_epochs: 1}
    environments: [CartPole-v1]
    tune:
      trials: 3
      seeds: 1
      batch: 2
      space: {learning_rate: {low: 1e-4, high: 0.1, log: true}}
    baseline: narrow
    arms:
      narrow: {algorithm: tests.bench.gate.WaitingPPO, space: {clip_range: [0.1, 0.2, 0.3]}}
"""
UNTUNED = "tuned is not tuned yet: 0 of 3 trials are known. ppo-bench run goes on with them, and then makes the runs"


def written(results: Path) -> list[bytes]:
    return [(results / "tuned" / name).read_bytes() for name in ("trials.csv", "results.csv")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the study, which nobody disturbed, made by one worker."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = folder / "study.yaml"
    study.write_text(textwrap.dedent(TUNED))
    assert main(["run", str(study), "--results", str(folder), "--workers", "1"]) == 0
    return folder


@pytest.mark.processes
def test_sigkill_of_the_runner_and_two_workers_change_no_trial(
    start: Start,
    gate: Gate,
    write_study: WriteStudy,
    tmp_path: Path,
    undisturbed: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = write_study(TUNED)
    process = start(*bench(study, tmp_path), **gate.environment)
    # Both trials of the first round wait.
    gate.wait_for_runs()
    process.kill()
    process.wait()
    wait_for(lambda: all(map(gone, gate.pids())))
    assert not (tmp_path / "tuned" / "trials.csv").exists()
    assert main(["run", str(study), "--results", str(tmp_path), "--workers", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "tuned, tuning: 0 of 3 trials are known; 2 runs, 0 finished before, 2 to make in this round" in lines
    assert "tuned, tuning: 2 of 3 trials are known; 1 run, 0 finished before, 1 to make in this round" in lines
    assert "tuned, tuning: 3 of 3 trials are known" in lines
    assert "tuned: 1 run, 0 finished before, 1 to make" in lines
    assert written(tmp_path) == written(undisturbed)
    assert not (tmp_path / "tuned" / "tuning" / ".partial").exists()


@pytest.mark.slow
@pytest.mark.processes
def test_dask_makes_the_same_trials(write_study: WriteStudy, tmp_path: Path, undisturbed: Path) -> None:
    pytest.importorskip("distributed")
    call = ["run", str(write_study(TUNED)), "--results", str(tmp_path), "--workers", "2", "--executor", "dask"]
    assert main(call) == 0
    assert written(tmp_path) == written(undisturbed)


@pytest.mark.processes
def test_committed_tables_are_a_tuned_study(
    write_study: WriteStudy, tmp_path: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(TUNED)
    (tmp_path / "tuned").mkdir()
    for path in (undisturbed / "tuned").iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path / "tuned")
    assert main(["run", str(study), "--results", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "tuned, tuning: 3 of 3 trials are known\ntuned: 1 run, 1 finished before, 0 to make\n" in output
    assert written(tmp_path) == written(undisturbed)
    assert not (tmp_path / "tuned" / "tuning").exists()
    assert main(["status", str(study), "--results", str(tmp_path)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:5] for row in rows if row[:1] == ["narrow"]] == [
        ["narrow", "CartPole-v1", "3", "of", "3"],
        ["narrow", "CartPole-v1", "1"],
    ]


@pytest.mark.parametrize("command", ["report", "scores", "video --arm narrow --environment CartPole-v1"])
def test_what_needs_the_runs_says_that_they_are_not_known(
    write_study: WriteStudy,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    name, *options = command.split()
    assert main([name, str(write_study(TUNED)), "--results", str(tmp_path), *options]) == 1
    assert capsys.readouterr().err.startswith(UNTUNED)


@pytest.mark.processes
def test_trials_of_other_versions_are_not_continued(
    undisturbed: Path, write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their rounds are over, and the table of the trials does not say with what they were made."""
    shutil.copytree(undisturbed / "tuned", tmp_path / "tuned")
    path = next((tmp_path / "tuned/tuning/narrow").glob("*/run.json"))
    record = json.loads(path.read_text())
    record["provenance"]["versions"]["torch"] = "1.0.0"
    path.write_text(json.dumps(record))
    study = write_study(TUNED.replace("trials: 3", "trials: 4"))
    assert main(["run", str(study), "--results", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert "torch: " in shown.err
    assert "1.0.0" in shown.err
    assert "in this round" not in shown.out


def test_shards_wait_for_the_tuning(
    write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(write_study(TUNED)), "--results", str(tmp_path), "--shard", "1/2"]) == 2
    assert capsys.readouterr().err.startswith("--shard is for the runs of the study, whose arguments are not known")


def test_plan_and_watch_count_trials(
    write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = str(write_study(TUNED))
    assert main(["plan", study, "--results", str(tmp_path), "--workers", "2"]) == 0
    output = capsys.readouterr().out
    assert "Tuning: 1 arm x 1 environment x 3 trials x 1 seed = 3 runs, 384 steps; 0 of 3 trials" in output
    assert re.search(r"Their time: about \d+ s with 2 runs at a time, if what is tried takes as long as", output)
    assert "= 1 run, 0 finished, 1 to make." in output
    assert main(["watch", study, "--results", str(tmp_path)]) == 0
    assert "tuned, tuning, 0 of 3 trials are known: 0 finished, 0 running, 2 missing" in capsys.readouterr().out
    assert main(["status", study, "--results", str(tmp_path)]) == 0
    assert UNTUNED in capsys.readouterr().out


def test_mistakes_in_names(write_study: WriteStudy) -> None:
    study = write_study(TUNED.replace("learning_rate:", "learning_rat:").replace("clip_range:", "clip_rang:"))
    assert mistakes(study) == [
        "tune.space.learning_rat: unknown argument of WaitingPPO (arm narrow); did you mean learning_rate?",
        "arms.narrow.space.clip_rang: unknown argument of WaitingPPO; did you mean clip_range?",
    ]


def test_mistakes_in_values(write_study: WriteStudy) -> None:
    # The third choice is built too.
    study = write_study(TUNED.replace("clip_range: [0.1, 0.2, 0.3]", "clip_range_vf: [0.1, 0.2, -0.3]"))
    (found,) = mistakes(study)
    assert found.startswith("arms.narrow: on CartPole-v1: AssertionError: `clip_range_vf` must be positive")


def test_optuna_is_an_extra(write_study: WriteStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "optuna" else find(name))
    assert mistakes(write_study(TUNED)) == ['tune: optuna is not installed: pip install "sb3-ppo-variants[tune]"']
