"""The page on an environment of one's own: its module and its study, through the whole command line."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.runs.sources import STALE
from sb3_ppo_variants.zoo.__main__ import main as zoo
from tests.bench.conftest import WriteStudy
from tests.bench.faults import Start, bench
from tests.pages import ROOT, blocks

pytestmark = pytest.mark.processes

PAGE = ROOT / "docs" / "own_environment.md"
MODULE, STUDY = blocks(PAGE, "python")[0].code, blocks(PAGE, "yaml")[0].code
SHORT = {
    "total_timesteps": 64,
    "seeds": 1,
    "evaluation": {"every": 64, "episodes": 1, "last": 1},
    "arguments": {"device": "cpu", "n_steps": 32, "batch_size": 32, "n_epochs": 1},
}
ARM = ("--arm", "dual_clip", "--environment", "myenvs:Aim-v0")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The study in a folder with the module, with few steps; the commands are called in the folder above."""
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "myenvs.py").write_text(MODULE)
    (folder / "aim.yaml").write_text(yaml.safe_dump(yaml.safe_load(STUDY) | SHORT))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return folder / "aim.yaml"


def test_every_command_takes_it(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("huggingface_hub")
    assert main(["plan", str(study)]) == 0
    assert "2 arms x 1 environment x 1 seed = 2 runs" in capsys.readouterr().out
    assert main(["run", str(study)]) == 0
    assert "dual_clip on myenvs:Aim-v0, seed 0: finished" in capsys.readouterr().out
    assert main(["scores", str(study), "--episodes", "2"]) == 0
    scores = yaml.safe_load(capsys.readouterr().out)["environments"]["myenvs:Aim-v0"]
    assert scores["random_score"] < 0
    for command in (["status"], ["watch"], ["report"], ["card", *ARM, "--episodes", "1"]):
        assert main([command[0], str(study), *command[1:]]) == 0
    shown = capsys.readouterr().out
    assert "aim: 2 finished, 0 running, 0 missing" in shown
    assert "Made hub/dual_clip_ppo-Aim-v0" in shown
    card = Path("hub/dual_clip_ppo-Aim-v0/README.md").read_text()
    enjoy = "enjoy --algo dual_clip_ppo --env Aim-v0 --gym-packages myenvs -f logs"
    assert f"python -m sb3_ppo_variants.zoo {enjoy}\n" in card
    record = json.loads(next(study.parents[1].glob("results/aim/dual_clip/*/run.json")).read_text())
    assert record["configuration"]["env_kwargs"] == {"noise": 0.2}
    assert record["configuration"]["env_wrapper"] == [{"myenvs.Cubed": {}}]


def test_rl_zoo_plays_its_model_from_the_files_of_the_hub(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command of the card, from the folders that RL Zoo's load_from_hub makes of these files."""
    pytest.importorskip("huggingface_hub")
    pytest.importorskip("rl_zoo3")
    assert main(["run", str(study)]) == 0
    assert main(["card", str(study), *ARM, "--episodes", "1"]) == 0
    (made,) = Path("hub").iterdir()
    run = Path("logs/dual_clip_ppo/Aim-v0_1")
    (run / "Aim-v0").mkdir(parents=True)
    shutil.copy(made / f"{made.name}.zip", run / "Aim-v0.zip")
    for name in ("args.yml", "config.yml", "env_kwargs.yml"):
        shutil.copy(made / name, run / "Aim-v0")
    enjoy = "enjoy --algo dual_clip_ppo --env Aim-v0 --gym-packages myenvs -f logs"
    monkeypatch.setattr(sys, "argv", ["zoo", *enjoy.split(), "--no-render", "--device", "cpu", "-n", "60"])
    capsys.readouterr()
    zoo()
    assert "Episode Length 50" in capsys.readouterr().out


def test_runs_of_other_code_are_stale(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(study)]) == 0
    assert "stale" not in capsys.readouterr().out
    module = study.with_name("myenvs.py")
    module.write_text(module.read_text().replace("0.3 * action", "0.4 * action"))
    for command in ("run", "report", "status"):
        assert main([command, str(study)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert "stale: myenvs:Aim-v0 is not as it was in 2 runs" in lines
        assert STALE in lines


@pytest.mark.slow
def test_processes_of_environments_and_workers_of_dask_find_it(study: Path, start: Start) -> None:
    pytest.importorskip("distributed")
    text = yaml.safe_load(study.read_text()) | {"vec_env": "subproc", "n_envs": 2}
    study.write_text(yaml.safe_dump(text))
    process = start(*bench(study, Path("results").resolve(), "--executor", "dask", "--cluster", "local"))
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert len(list(Path("results/aim").glob("*/*/run.json"))) == 2


def test_the_working_directory_is_first(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "myenvs.py").write_text("raise RuntimeError('that of the working directory')")
    assert main(["plan", str(study), "--no-calibration"]) == 2
    assert "RuntimeError: that of the working directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ("nowhere:Aim-v0", "module nowhere is neither installed nor in "),
        ("importing:Aim-v0", "module importing imports nothing_at_all, which is not installed"),
        ("Aim-v7777", "An environment of your own is written module:Aim-v7777, with the module that registers it."),
        (
            "json:Other-v0",
            "Importing json does not register it; call gymnasium.register(id='Other-v0', entry_point=...)",
        ),
    ],
)
def test_what_cannot_be_made_says_what_to_do(
    environment: str, said: str, write_study: WriteStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "importing.py").write_text("import nothing_at_all")
    path = write_study(yaml.safe_dump({"name": "own", **SHORT, "environments": [environment]}))
    assert main(["run", str(path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    if environment == "nowhere:Aim-v0":
        assert str(tmp_path) in error
