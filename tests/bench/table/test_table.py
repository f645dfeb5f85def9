from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.table.table import collect
from tests.bench.conftest import Finished
from tests.bench.run_folders import as_first_runs


def test_results_are_what_was_evaluated(finished: Finished) -> None:
    results = collect(finished.study.runs, finished.folders).results
    # 2 arms, 2 environments, 2 seeds, 4 evaluations.
    assert len(results) == 32
    assert list(results["arm"].unique()) == ["narrow", "ppo"]
    run = finished.study.run("ppo", "Pendulum-v1", 1)
    row = results[(results["identity"] == run.identity) & (results["timesteps"] == 192)].iloc[0]
    with np.load(finished.folders.finished(run) / "evaluations.npz") as stored:
        returns = stored["results"][2]
    assert row["mean_return"] == (returns[0] + returns[1]) / 2
    assert row["std_return"] == pytest.approx(abs(returns[0] - returns[1]) / 2, rel=1e-12)
    assert (row["mean_length"], row["episodes"]) == (200.0, 2)


def test_clocks_are_in_timings_only(finished: Finished) -> None:
    table = collect(finished.study.runs, finished.folders)
    assert list(table.results.columns) == [
        "arm", "environment", "seed", "identity", "timesteps", "mean_return", "std_return", "mean_length", "episodes",
    ]  # fmt: skip
    assert len(table.timings) == 8
    assert (table.timings["seconds"] > 0).all()


def test_only_runs_of_the_study_count(finished: Finished, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "copy")
    shutil.copytree(finished.folders.root, folders.root)
    run = finished.study.run("ppo", "CartPole-v1", 0)
    folder = folders.finished(run)
    folder.rename(folder.with_name("CartPole-v1_0-0123456789"))
    results = collect(finished.study.runs, folders).results
    assert len(results) == 28
    assert run.identity not in set(results["identity"])


def test_evaluations_beyond_the_budget_count_for_nobody(finished: Finished, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "copy")
    shutil.copytree(finished.folders.root, folders.root)
    run = finished.study.run("ppo", "CartPole-v1", 0)
    as_first_runs(folders.finished(run))
    (folders.finished(run) / "evaluation_times.csv").unlink()
    path = folders.finished(run) / "evaluations.npz"
    with np.load(path) as stored:
        content = {name: stored[name] for name in stored}
    content["timesteps"] = np.array([64, 128, 192, 320])
    np.savez(path, **content)
    results = collect([run], folders).results
    assert results["timesteps"].tolist() == [64, 128, 192]


def test_updates_of_a_run(finished: Finished) -> None:
    updates = collect(finished.study.runs, finished.folders).updates
    narrow = updates[(updates["arm"] == "narrow") & (updates["environment"] == "CartPole-v1") & (updates["seed"] == 0)]
    # 128 steps make a rollout: two updates, the first dumped by the evaluation after it, the last at the end.
    assert narrow["timesteps"].tolist() == [192, 256]
    # The schedule from 0.1 to 0 is read after 128 and after 256 of 256 steps.
    assert narrow["clip_range"].tolist() == pytest.approx([0.05, 0.0])
    assert narrow["approx_kl"].notna().all()


def test_of_many_updates_every_nth_is_kept(finished: Finished, tmp_path: Path) -> None:
    root = shutil.copytree(finished.folders.root, tmp_path / "tiny")
    run = finished.study.run("ppo", "Pendulum-v1", 0)
    as_first_runs(Folders(root).finished(run))
    progress = Folders(root).finished(run) / "progress.csv"
    counted = pd.DataFrame({"time/total_timesteps": range(8, 5016, 8), "train/kl": np.arange(626.0)})
    counted.to_csv(progress, index=False)
    updates = collect([run], Folders(root)).updates
    # 626 updates, at most 250: every third, the last one among them.
    assert updates["kl"].tolist() == list(range(1, 626, 3))
    assert updates["timesteps"].iloc[-1] == 5008
    counted.tail(250).to_csv(progress, index=False)
    assert len(collect([run], Folders(root)).updates) == 250
