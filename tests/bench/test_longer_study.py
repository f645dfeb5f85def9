"""A study whose runs get more steps after the fact."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pandas as pd
import pytest

from sb3_ppo_variants.bench.cli import main

STUDY = """
    name: mine
    total_timesteps: 64
    seeds: 1
    n_envs: 2
    evaluation: {every: 16, episodes: 1, last: 2}
    arguments: {n_steps: 16, batch_size: 16, n_epochs: 1, device: cpu}
    environments: [CartPole-v1]
    arms: {scheduled: {algorithm: stable_baselines3.PPO, arguments: {learning_rate: lin_0.001}}}
"""


def command(name: str, folder: Path, steps: int) -> int:
    study = folder / "study.yaml"
    study.write_text(textwrap.dedent(STUDY).replace("total_timesteps: 64", f"total_timesteps: {steps}"))
    options = ["--no-calibration"] if name == "plan" else []
    return main([name, str(study), "--results", str(folder / "results"), "--workers", "1", *options])


@pytest.mark.processes
def test_more_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("run", tmp_path, 64) == 0
    capsys.readouterr()
    assert command("plan", tmp_path, 128) == 0
    assert "2 runs to make begin where shorter ones ended, at 128 steps in all." in capsys.readouterr().out
    assert command("run", tmp_path, 128) == 0
    results = tmp_path / "results" / "mine"
    timings = pd.read_csv(results / "timings.csv").set_index("arm")["differs"]
    assert timings["scheduled"] == "continued: learning_rate follows a schedule over the whole run"
    assert timings[["ppo"]].isna().all()
    report = (results / "report.md").read_text()
    assert "1 began at the last state of a shorter run, with the results of a run anew" in report
    assert "1 began at the last state of a shorter run and may differ: continued: learning_rate follows" in report
    assert len(list((results / "ppo").iterdir())) == 2
