"""A study whose callbacks end its runs early, from plan to the report that is made again from its tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sb3_ppo_variants.bench.cli import main
from tests.bench.conftest import WriteStudy

STUDY = """
    name: early
    total_timesteps: 256
    seeds: 2
    evaluation: {every: 64, episodes: 2, last: 2}
    arguments: {device: cpu, n_steps: 64, n_epochs: 2}
    environments: [CartPole-v1]
    callbacks: {stable_baselines3.common.callbacks.StopTrainingOnRewardThreshold: {reward_threshold: 1}}
    arms:
      whole: {algorithm: stable_baselines3.PPO, callbacks: []}
"""


def test_a_study_with_early_ends(write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = [str(write_study(STUDY)), "--results", str(tmp_path)]
    assert main(["plan", *call, "--no-calibration"]) == 0
    assert "Runs that a callback ends early take less" in capsys.readouterr().out
    assert main(["run", *call, "--workers", "1"]) == 0
    assert "ppo on CartPole-v1, seed 0: ended by a callback at 64 of 256 steps" in capsys.readouterr().out

    line = "2 ended by stable_baselines3.common.callbacks.StopTrainingOnRewardThreshold, at 64 steps"
    folder = tmp_path / "early"
    report = (folder / "report.md").read_text()
    assert line in report
    assert "better than the policy is, and so is the score" in report
    results = pd.read_csv(folder / "results.csv")
    one = results[(results["arm"] == "ppo") & (results["seed"] == 0)]
    assert one["timesteps"].tolist() == [64, 128, 192, 256]
    assert one["episodes"].tolist() == [2, 0, 0, 0]
    assert one["mean_return"].nunique() == 1
    assert results[results["arm"] == "whole"]["episodes"].eq(2).all()
    assert main(["status", *call]) == 0
    assert line in capsys.readouterr().out

    # As in a published folder, which has no runs.
    before = {name: (folder / name).read_bytes() for name in ("results.csv", "times.csv.gz", "records.json.gz")}
    for arm in ("ppo", "whole"):
        (folder / arm).rename(tmp_path / arm)
    assert main(["report", *call]) == 0
    assert line in (folder / "report.md").read_text()
    assert {name: (folder / name).read_bytes() for name in before} == before
