"""The variants under RL Zoo's own commands, against the installed rl_zoo3."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sb3_ppo_variants import DualClipPPO
from sb3_ppo_variants.zoo.__main__ import main
from tests.waiting import PATIENCE

ARGUMENTS = ["--env", "CartPole-v1", "--seed", "1", "-f", "logs"]
TRAIN = [*ARGUMENTS, "--n-timesteps", "512", "--device", "cpu", "--verbose", "0"]


def zoo(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "sb3_ppo_variants.zoo", *arguments]
    no_windows = os.environ | {"MPLBACKEND": "Agg"}
    done = subprocess.run(command, cwd=folder, env=no_windows, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.processes
def test_an_unknown_command_names_the_known_ones() -> None:
    command = [sys.executable, "-m", "sb3_ppo_variants.zoo", "trian"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert "command='trian' is not known. Did you mean 'train'? Choices: 'train', 'enjoy'," in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_without_a_command_the_usage_is_printed(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["zoo", *arguments])
    main()
    assert "usage: python -m sb3_ppo_variants.zoo COMMAND" in capsys.readouterr().out


@pytest.mark.processes
@pytest.mark.slow
def test_train_evaluate_continue_and_plot(tmp_path: Path) -> None:
    pytest.importorskip("rl_zoo3")
    train = ["train", "--algo", "dual_clip_ppo", *TRAIN, "--eval-freq", "256", "--eval-episodes", "1"]
    zoo(tmp_path, *train, "-params", "dual_clip:'lin_4_2'")
    first = tmp_path / "logs" / "dual_clip_ppo" / "CartPole-v1_1"
    model = DualClipPPO.load(first / "CartPole-v1.zip")
    assert model.num_timesteps == 512
    assert model.n_steps == 32  # of the yml, which no argument named
    assert model.n_epochs == 20
    assert model.clip_range(0.5) == pytest.approx(0.1)  # lin_0.2 half way
    assert model._schedule("dual_clip")(0.75) == 3.0  # lin_4_2, a quarter of the way
    assert (first / "evaluations.npz").is_file()

    enjoyed = zoo(tmp_path, "enjoy", "--algo", "dual_clip_ppo", *ARGUMENTS, "--no-render", "-n", "300")
    assert "Episode Reward" in enjoyed

    zoo(tmp_path, *train, "-i", str(first / "CartPole-v1.zip"))
    again = DualClipPPO.load(tmp_path / "logs" / "dual_clip_ppo" / "CartPole-v1_2" / "CartPole-v1.zip")
    assert again._n_updates == 80  # two legs of two updates with 20 epochs

    zoo(tmp_path, "plot_train", "-a", "dual_clip_ppo", "-e", "CartPole-v1", "-f", "logs")
    folder = ["-a", "dual_clip_ppo", "-e", "CartPole-v1", "-f", "logs", "--no-display", "-o", "plotted"]
    table = zoo(tmp_path, "all_plots", *folder)
    assert "CartPole-v1" in table


@pytest.mark.processes
@pytest.mark.slow
def test_tune_two_trials(tmp_path: Path) -> None:
    pytest.importorskip("rl_zoo3")
    storage = ["--storage", "sqlite:///trials.db", "--study-name", "tuned"]
    tune = ["-optimize", "--n-trials", "2", "--n-evaluations", "1", "--eval-episodes", "1", "--no-optim-plots"]
    zoo(tmp_path, "train", "--algo", "kl_penalty_ppo", *TRAIN, *storage, *tune)
    (report,) = (tmp_path / "logs" / "kl_penalty_ppo").glob("report_*.csv")
    header, *rows = report.read_text().splitlines()
    assert len(rows) == 2
    assert "params_kl_coef" in header
    assert "params_desired_kl" in header
