from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from sb3_ppo_variants.bench import cli
from sb3_ppo_variants.bench.cli import main
from tests.bench.conftest import Finished, WriteStudy

pytestmark = pytest.mark.processes

RAISING = """
from stable_baselines3 import PPO

class Raising(PPO):
    def learn(self, *args, **kwargs):
        if self.seed == 1:
            raise RuntimeError("unlucky [seed]")
        return super().learn(*args, **kwargs)
"""

# Ctrl-C in the seconds in which torch is imported.
INTERRUPTED = """
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from sb3_ppo_variants.bench import cli
from sb3_ppo_variants.bench.cli import main
sys.exit(main(["status", "study.yaml"]))
"""


@pytest.fixture
def results(finished: Finished, tmp_path: Path) -> Path:
    shutil.copytree(finished.folders.root, tmp_path / "results" / "tiny")
    return tmp_path / "results"


def test_a_finished_study_is_only_reported(
    finished: Finished, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in results.rglob("run.json")}
    assert main(["run", str(finished.path), "--results", str(results)]) == 0
    shown = capsys.readouterr().out
    assert "tiny: 8 runs, 8 finished before" in shown
    assert "narrow" in shown
    assert f"Report: {results / 'tiny' / 'report.html'}" in shown
    assert {path: path.stat().st_mtime_ns for path in results.rglob("run.json")} == before


def test_results_that_cannot_be_written_are_said_before_the_first_run(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for results in (tmp_path / "file", tmp_path / "file/below", Path("/proc/none")):
        assert main(["run", str(finished.path), "--results", str(results)]) == 2
        shown = capsys.readouterr()
        assert shown.err.startswith(f"--results: nothing can be written to {results / 'tiny'}: ")
        assert shown.out == ""


def test_a_name_that_no_folder_can_have(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An arm may have 150 letters, an environment 100, and a host 64."""
    monkeypatch.setattr("sb3_ppo_variants.bench.runs.folders.machine", lambda: 230 * "m")
    assert main(["run", str(finished.path), "--results", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("arms.narrow: its folder narrow-CartPole-v1_0-")
    assert shown.err.endswith(" letters, 255 at most\n")
    assert shown.out == ""


def test_an_arm_on_another_disk_is_said_before_the_first_run(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its runs would fail when they are finished, which is a rename."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/narrow").symlink_to("/proc")
    assert main(["run", str(finished.path), "--results", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"{tmp_path / 'tiny/narrow'} is on another disk than {tmp_path / 'tiny'}; link that")
    assert shown.out == ""


def test_one_failure_is_listed_and_the_exit_code_says_so(
    write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study("""
        name: unlucky
        total_timesteps: 64
        seeds: 2
        evaluation: {every: 64, episodes: 1, last: 1}
        arguments: {device: cpu, n_steps: 64, n_epochs: 1}
        environments: [CartPole-v1]
        arms:
          raising: {algorithm: raising_algorithm.Raising}
    """)
    (tmp_path / "raising_algorithm.py").write_text(RAISING)
    # A class beside the study is found without installing anything.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["run", str(study), "--workers", "1"]) == 1
    shown = capsys.readouterr().out
    assert "raising on CartPole-v1, seed 1: FAILED: RuntimeError: unlucky [seed]" in shown
    assert "1 of 4 runs failed" in shown
    assert "Report: " in shown
    assert main(["status", str(study)]) == 0
    assert "raising on CartPole-v1, seed 1: RuntimeError: unlucky [seed]" in capsys.readouterr().out
    # A later run takes up the failed ones only; the only share is all of the study.
    assert main(["run", str(study), "--workers", "1", "--shard", "1/1"]) == 1
    shown = capsys.readouterr().out
    assert "[1/1] raising on CartPole-v1, seed 1" in shown
    assert "Report: " in shown


def test_mistakes_are_printed_without_a_traceback(write_study: WriteStudy, capsys: pytest.CaptureFixture[str]) -> None:
    study = write_study("name: wrong\nseeds: 0\n")
    assert main(["run", str(study)]) == 2
    shown = capsys.readouterr().err
    assert "has 4 mistakes:" in shown
    assert "  seeds: must be a number of seeds, 1 to 1000" in shown
    assert "  environments: is missing" in shown
    assert "Traceback" not in shown


def test_a_warning_is_a_line_without_our_code(monkeypatch: pytest.MonkeyPatch) -> None:
    formatwarning, said = warnings.formatwarning, []

    def warn(parsed: argparse.Namespace) -> int:
        for category in (UserWarning, DeprecationWarning):
            said.append(warnings.formatwarning("arms.mine: unwise", category, "cli.py", 8, "sys.exit(main())"))
        return 0

    monkeypatch.setattr(cli, "_call", warn)
    assert cli.main(["status", "any.yaml"]) == 0
    assert said == [
        "Warning: arms.mine: unwise\n",
        "cli.py:8: DeprecationWarning: arms.mine: unwise\n  sys.exit(main())\n",
    ]
    assert warnings.formatwarning is formatwarning


def test_stale_runs_are_shown_and_never_added_to(
    finished: Finished, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in results.rglob("run.json"):
        record = json.loads(path.read_text())
        record["provenance"]["versions"]["numpy"] = "0.1"
        path.write_text(json.dumps(record))
    call = [str(finished.path), "--results", str(results)]
    # All of one version: comparable, though stale.
    assert main(["report", *call]) == 0
    assert "stale" in (results / "tiny" / "report.md").read_text()
    shutil.rmtree(next(results.glob("tiny/ppo/CartPole-v1_0-*")))
    (results / "tiny" / "records.json.gz").unlink()
    capsys.readouterr()
    assert main(["status", *call]) == 0
    lines = capsys.readouterr().out.splitlines()
    heading = next(line for line in lines if "environment" in line)
    row = next(line for line in lines if "ppo" in line and "CartPole" in line)
    assert row.split() == ["ppo", "CartPole-v1", "1", "1"]
    position = {name: heading.index(name) for name in ("stale", "missing")}
    assert [row[position[name] :][: len(name)].strip() for name in position] == ["1", "1"]
    assert main(["run", *call]) == 2
    assert "numpy: " in capsys.readouterr().err


def test_runs_of_own_code_that_has_changed_are_stale(
    finished: Finished, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next(results.glob("tiny/narrow/CartPole-v1_0-*")) / "run.json"
    record = json.loads(path.read_text())
    record["provenance"]["sources"] = {"tests.own_code.DISTANCE": "0123", "nowhere.PART": "0123"}
    path.write_text(json.dumps(record))
    assert main(["status", str(finished.path), "--results", str(results)]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if "narrow" in line and "CartPole" in line)
    assert row.split() == ["narrow", "CartPole-v1", "1", "1"]
    assert "stale: tests.own_code.DISTANCE is not as it was in 1 run" in lines


def test_a_report_without_runs(finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(finished.path), "--results", str(tmp_path)]) == 1
    assert "nothing to report" in capsys.readouterr().err


def test_wrong_calls(capsys: pytest.CaptureFixture[str]) -> None:
    for call in (["run"], ["walk", "study.yaml"], ["run", "study.yaml", "--workers", "0"]):
        with pytest.raises(SystemExit) as ended:
            main(call)
        assert ended.value.code == 2
    assert "usage: ppo-bench" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time-limit", "0"], "argument --time-limit: 0 is not a number of minutes above 0, 30000 at most"),
        (["--time-limit", "soon"], "argument --time-limit: soon is not a number of minutes above 0"),
        (["--time-limit", "40000"], "argument --time-limit: 40000 is not a number of minutes above 0, 30000 at most"),
        (["--workers", "0"], "argument --workers: 0 is not a whole number of 1 or more"),
        (["--workers", "two"], "argument --workers: two is not a whole number of 1 or more"),
        (["--shard", "3/2"], "argument --shard: 3/2 is not I/N with I from 1 to N"),
        (["--shard", "0/2"], "argument --shard: 0/2 is not I/N with I from 1 to N"),
        (["--shard", "2"], "argument --shard: 2 is not I/N with I from 1 to N"),
        (["--scheduler", "tcp://host:8786"], "--scheduler and --cluster need --executor dask"),
        (["--executor", "dask", "--scheduler", "a", "--cluster", "local"], "not allowed with argument --scheduler"),
    ],
)
def test_wrong_options_of_run(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "study.yaml", *options])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_seed_that_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["video", "study.yaml", "--arm", "ppo", "--environment", "CartPole-v1", "--seed", "two"])
    assert "argument --seed: two is not a whole number of 0 or more" in capsys.readouterr().err


HANGING = """
import time
from stable_baselines3 import PPO

class Hanging(PPO):
    def learn(self, *args, **kwargs):
        time.sleep(600)
"""


def test_the_time_limit_is_in_minutes(
    write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study("""
        name: hanging
        total_timesteps: 64
        seeds: 1
        evaluation: {every: 64, episodes: 1, last: 1}
        arguments: {device: cpu, n_steps: 64}
        environments: [CartPole-v1]
        arms:
          hanging: {algorithm: hanging_algorithm.Hanging}
    """)
    (tmp_path / "hanging_algorithm.py").write_text(HANGING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["run", str(study), "--time-limit", "0.1"]) == 1
    assert "seed 0: FAILED: The run was ended at its time limit of 0.1 minutes." in capsys.readouterr().out


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['pydantic'] = sys.modules['scipy'] = None\n"
    code += "from sb3_ppo_variants.bench.cli import main; sys.exit(main(['run', 'study.yaml']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 2
    assert done.stderr.strip() == 'ppo-bench needs pydantic, scipy: pip install "sb3-ppo-variants[bench]"'


@pytest.mark.parametrize("call", [["--help"], ["run", "--help"]])
def test_help_needs_no_optional_package(call: list[str]) -> None:
    absent = "pydantic", "yaml", "rich", "scipy", "pandas", "matplotlib", "jinja2", "huggingface_hub"
    code = f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
    code += f"from sb3_ppo_variants.bench.cli import main; main({call})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ppo-bench")


def test_a_report_needs_no_environment(
    finished: Finished, results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def not_installed(*args: object) -> list[str]:
        return ["environments.CartPole-v1: DependencyNotInstalled"]

    monkeypatch.setattr("sb3_ppo_variants.bench.validation.run_mistakes", not_installed)
    options = ["--results", str(results)]
    assert main(["report", str(finished.path), *options]) == 0
    assert main(["run", str(finished.path), *options]) == 2
    assert "DependencyNotInstalled" in capsys.readouterr().err


def test_ctrl_c_while_packages_are_imported_is_one_line() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr == "Stopped. Finished runs are kept; the same command goes on with the rest.\n"
