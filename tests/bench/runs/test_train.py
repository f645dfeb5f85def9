from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import load_results
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_ppo_variants.bench.runs.environments import make_env, make_evaluation_env
from sb3_ppo_variants.bench.runs.provenance import versions
from sb3_ppo_variants.bench.runs.train import execute
from tests.bench.conftest import Finished
from tests.bench.studies import RUN


def test_a_run_leaves_the_files_of_rl_zoo(finished: Finished) -> None:
    run = finished.study.run("narrow", "CartPole-v1", 1)
    folder = finished.folders.finished(run)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "0.monitor.csv", "1.monitor.csv", "evaluations.npz", "evaluation_times.csv",
        "progress.csv", "best_model.zip", "CartPole-v1.zip",
        "CartPole-v1/config.yml", "CartPole-v1/args.yml", "output.txt", "run.json",
    }  # fmt: skip
    assert set(load_results(str(folder)).columns) >= {"r", "l", "t"}
    hyperparameters = yaml.safe_load((folder / "CartPole-v1" / "config.yml").read_text())
    assert hyperparameters["clip_range"] == "lin_0.1"
    assert (hyperparameters["n_envs"], hyperparameters["n_timesteps"]) == (2, 256)
    assert hyperparameters["normalize"] is False
    arguments = yaml.safe_load((folder / "CartPole-v1" / "args.yml").read_text())
    assert (arguments["algo"], arguments["env"], arguments["seed"]) == ("ppo", "CartPole-v1", 1)


def test_evaluations_come_at_the_steps_of_the_study(finished: Finished) -> None:
    folder = finished.folders.finished(finished.study.run("ppo", "CartPole-v1", 0))
    with np.load(folder / "evaluations.npz") as stored:
        assert stored["timesteps"].tolist() == [64, 128, 192, 256]
        assert stored["results"].shape == stored["ep_lengths"].shape == (4, 2)


def test_the_record_of_a_run(finished: Finished) -> None:
    run = finished.study.run("ppo", "CartPole-v1", 0)
    record = json.loads((finished.folders.finished(run) / "run.json").read_text())
    assert record["identity"] == run.identity
    assert record["configuration"]["arguments"] == run.arguments
    assert record["configuration"]["defaults"]["clip_range"] == 0.2
    assert record["provenance"]["versions"] == versions()
    assert record["provenance"]["command"] == "ppo-bench run tiny.yaml"
    assert record["wall_seconds"] > 0
    assert record["started"] <= record["finished"]


def test_schedules_of_a_study_reach_the_algorithm(finished: Finished) -> None:
    folder = finished.folders.finished(finished.study.run("narrow", "CartPole-v1", 0))
    model = PPO.load(folder / "CartPole-v1.zip", device="cpu")
    assert model.clip_range(1.0) == pytest.approx(0.1)  # type: ignore[operator]
    assert model.clip_range(0.5) == pytest.approx(0.05)  # type: ignore[operator]
    assert model.seed == 0


def test_normalised_environments(finished: Finished) -> None:
    run = finished.study.run("ppo", "Pendulum-v1", 0)
    folder = finished.folders.finished(run)
    env = VecNormalize.load(str(folder / "Pendulum-v1" / "vecnormalize.pkl"), make_env(replace(run, normalize=None)))
    # 256 steps, the reset before them, and the 1e-4 with which SB3 starts to count.
    statistics: Any = env.obs_rms
    assert statistics.count == pytest.approx(257, abs=0.01)
    with np.load(folder / "evaluations.npz") as stored:
        # A true return of Pendulum is hundreds below zero; a normalised one is not.
        assert stored["results"].max() < -10
    evaluation_env = make_evaluation_env(run)
    assert isinstance(evaluation_env, VecNormalize)
    assert (evaluation_env.training, evaluation_env.norm_reward, evaluation_env.norm_obs) == (False, False, True)


def test_the_evaluation_environment_has_a_seed_of_its_own(finished: Finished) -> None:
    run = finished.study.run("ppo", "CartPole-v1", 1)
    training, evaluation = make_env(run), make_evaluation_env(run)
    assert isinstance(training, DummyVecEnv)
    assert training._seeds == [1, 2]
    assert evaluation._seeds == [10_001]


def test_a_run_is_deterministic(finished: Finished, tmp_path: Path) -> None:
    run = finished.study.run("narrow", "Pendulum-v1", 1)
    execute(run, tmp_path, "again")
    first = finished.folders.finished(run)
    with np.load(first / "evaluations.npz") as one, np.load(tmp_path / "evaluations.npz") as two:
        for name in ("timesteps", "results", "ep_lengths"):
            np.testing.assert_array_equal(one[name], two[name])
    # The clock must be in neither the learning nor its log, its own columns aside.
    one_log, two_log = pd.read_csv(first / "progress.csv"), pd.read_csv(tmp_path / "progress.csv")
    clock = ["time/fps", "time/time_elapsed"]
    columns = [column for column in sorted(one_log.columns) if column not in clock]
    pd.testing.assert_frame_equal(one_log[columns], two_log[columns])


def test_coefficients_at_their_defaults_are_recorded_and_verbose_prints(tmp_path: Path) -> None:
    run = replace(
        RUN,
        algorithm="sb3_ppo_variants.VariantPPO",
        arguments={**RUN.arguments, "objective": ["clip", "kl_penalty"], "verbose": 1},
    )
    execute(run, tmp_path, "")
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["in_force"]["coefficients"]["kl_coef"] == 1.0
    assert record["in_force"]["options"] == {"kl_direction": "forward", "kl_estimator": "exact"}
    assert "in_force" not in run.hashed_json
    assert "total_timesteps" in (tmp_path / "output.txt").read_text()
    assert set(record["files"]) == {
        "0.monitor.csv", "1.monitor.csv", "CartPole-v1.zip", "CartPole-v1/args.yml", "CartPole-v1/config.yml",
        "best_model.zip", "evaluation_times.csv", "evaluations.npz", "output.txt", "progress.csv",
    }  # fmt: skip
