from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.measure_scores import random_returns, score_lines
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.table.files import write
from sb3_ppo_variants.bench.table.table import collect
from sb3_ppo_variants.bench.validation import load_study
from tests.bench.conftest import Finished


def test_a_random_policy_is_played_the_same_way_every_time(finished: Finished) -> None:
    run = finished.study.run("ppo", "CartPole-v1", 0)
    returns = random_returns(run, 50)
    assert returns.shape == (50,)
    np.testing.assert_array_equal(returns, random_returns(run, 50))
    # 22.7 +- 0.8 over 200 episodes in benchmarks/studies/quickstart.yaml; every CartPole episode lasts 8 steps or more.
    assert 18 < returns.mean() < 28
    assert returns.min() >= 8


def test_returns_are_true_ones_and_wrappers_count(finished: Finished) -> None:
    run = finished.study.run("ppo", "Pendulum-v1", 0)
    assert run.normalize is not None
    # Random torques cost about 1200 over 200 steps; normalised rewards would not.
    assert random_returns(run, 5).mean() < -700
    short = replace(
        run,
        env_kwargs={"max_episode_steps": 10},
        env_wrapper=[{"gymnasium.wrappers.RescaleAction": {"min_action": -1.0, "max_action": 1.0}}],
    )
    # At most 16.3 per step, pi^2 + 0.1 * 8^2 + 0.001 * 2^2.
    assert random_returns(short, 5).min() > -163


def test_the_lines_are_for_the_study_file(finished: Finished) -> None:
    text = "\n".join(score_lines(finished.study, finished.folders, 20, "narrow"))
    given = yaml.safe_load(text)["environments"]
    assert set(given) == {"CartPole-v1", "Pendulum-v1"}
    # The score of a run is the mean of its last two evaluations.
    folders = [
        finished.folders.finished(finished.study.run("narrow", "CartPole-v1", seed)) for seed in finished.study.seeds
    ]
    expected = np.mean([np.load(folder / "evaluations.npz")["results"][-2:].mean() for folder in folders])
    assert given["CartPole-v1"]["reference_score"] == pytest.approx(expected, rel=1e-3)
    assert "# Random actions, 20 episodes (standard error " in text
    assert "# Mean score of narrow, 2 finished runs (standard error " in text


def test_pasted_lines_make_a_valid_study(finished: Finished, tmp_path: Path) -> None:
    lines = "\n".join(score_lines(finished.study, finished.folders, 20, "ppo"))
    # 256 steps are too few for Pendulum-v1.
    lines, replaced = re.subn(
        "# reference_score: ppo is no better than .* choose a higher", "reference_score: -200 #", lines
    )
    assert replaced == 1
    text = f"name: pasted\ntotal_timesteps: 256\nseeds: 1\nevaluation: {{every: 64}}\n{lines}\n"
    (tmp_path / "study.yaml").write_text(text)
    place = load_study(tmp_path / "study.yaml").environments["CartPole-v1"]
    assert place.random_score is not None
    assert 10 < place.random_score < 40


def test_the_command(finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["scores", str(finished.path), "--results", str(tmp_path), "--episodes", "2"]
    assert main(call) == 0
    shown = capsys.readouterr().out
    assert yaml.safe_load(shown)["environments"]["CartPole-v1"].keys() == {"random_score"}
    assert "# reference_score: no run of ppo has finished" in shown
    shutil.copytree(finished.folders.root, tmp_path / "tiny")
    assert main(call) == 0
    shown = capsys.readouterr().out
    assert yaml.safe_load(shown)["environments"]["CartPole-v1"].keys() == {"random_score", "reference_score"}
    assert main([*call, "--reference", "nobody"]) == 2
    assert "--reference nobody: the study has ppo, narrow" in capsys.readouterr().err


def test_runs_that_only_the_tables_have_count(finished: Finished, tmp_path: Path) -> None:
    published = Folders(tmp_path)
    write(collect(finished.study.runs, finished.folders), published.root)
    expected = score_lines(finished.study, finished.folders, 2, "ppo")
    assert score_lines(finished.study, published, 2, "ppo") == expected


@pytest.mark.filterwarnings("error")
def test_an_episode_alone_has_no_standard_error(finished: Finished, tmp_path: Path) -> None:
    assert "    # Random actions, 1 episode." in score_lines(finished.study, Folders(tmp_path), 1, "ppo")


def test_a_run_alone_has_no_standard_error(finished: Finished, tmp_path: Path) -> None:
    for seed in finished.study.seeds[:1]:
        folder = finished.folders.finished(finished.study.run("ppo", "CartPole-v1", seed))
        shutil.copytree(folder, tmp_path / "ppo" / folder.name)
    lines = score_lines(finished.study, Folders(tmp_path), 2, "ppo")
    assert "    # Mean score of ppo, 1 finished run." in lines
