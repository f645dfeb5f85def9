from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import stable_baselines3
import yaml
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.table.imported import read_imported
from sb3_ppo_variants.bench.validation import StudyMistakes, load_study, read_study
from tests.bench.conftest import TINY, Finished, WriteStudy
from tests.bench.studies import mistakes
from tests.bench.table.logs import write_log

STUDY = (
    TINY.rstrip()
    + """
    imported:
      zoo_ppo: {folder: logs/ppo}
"""
)


def test_no_folder_is_dropped_silently(logs: Path, write_study: WriteStudy) -> None:
    (logs / "CartPole-v1_2" / "CartPole-v1").mkdir(parents=True)
    write_log(logs / "CartPole-v1_3", "CartPole-v1", 7, returns=((1, 2), (3, 4)))
    write_log(logs / "CartPole-v1_4", "CartPole-v1", 2861)
    write_log(logs / "CartPole-v1_5", "CartPole-v1", 8, returns=((5, 6),), every=256)
    write_log(logs / "CartPole-v1_6", "CartPole-v1", 9, returns=((1, 1), (2, 2), (3, 3), (4, 4), (5, 5)))
    (found,) = read_imported(load_study(write_study(STUDY)))
    assert [(run.log.environment, run.log.seed, len(run.series.timesteps)) for run in found.runs] == [
        ("CartPole-v1", 9, 4),  # the fifth evaluation lies beyond the budget
        ("CartPole-v1", 2861, 4),
    ]
    assert found.left_out == [
        "CartPole-v10_1: ignored, CartPole-v10 is no environment of the study",
        "CartPole-v1_2: no <environment>/args.yml, so its environment and seed are not known",
        "CartPole-v1_3: incomplete, its returns end at 128 of the study's 256 steps",
        "CartPole-v1_4: same environment and seed 2861 as CartPole-v1_1",
        "CartPole-v1_5: too few returns, 1 within 256 steps where a score needs 2",
    ]


def test_mistakes(logs: Path, write_study: WriteStudy) -> None:
    text = STUDY.replace("folder: logs/ppo", "folder: logs/trpo")
    assert mistakes(write_study(text)) == [
        f"imported.zoo_ppo.folder: no such folder: {logs.parent / 'trpo'} (given: 'logs/trpo')"
    ]
    text = STUDY.replace("zoo_ppo", "narrow")
    assert mistakes(write_study(text)) == ["imported.narrow: an arm has this name already"]
    (found,) = mistakes(write_study(STUDY.replace("logs/ppo", "logs")))
    assert found.startswith(
        f"imported.zoo_ppo: no run in {logs.parent} can be compared: ppo: no <environment>/args.yml"
    )
    write_log(logs / "Pendulum-v1_1", "Pendulum-v1", 1, algo="a2c")
    assert mistakes(write_study(STUDY)) == [f"imported.zoo_ppo: {logs} has runs of a2c and ppo"]


def test_runs_of_different_settings_are_not_one_arm(logs: Path, write_study: WriteStudy) -> None:
    write_log(logs / "CartPole-v1_2", "CartPole-v1", 7)
    config = {"n_envs": 1, "n_timesteps": 256.0, "policy": "MlpPolicy", "clip_range": 0.1}
    (logs / "CartPole-v1_2" / "CartPole-v1" / "config.yml").write_text(yaml.dump(config))
    path = write_study(STUDY)
    with pytest.raises(StudyMistakes, match=r"imported\.zoo_ppo: CartPole-v1_2 and CartPole-v1_1 were made with"):
        read_study(path)  # as a report does
    assert mistakes(path) == [
        "imported.zoo_ppo: CartPole-v1_2 and CartPole-v1_1 were made with different clip_range; put runs of different "
        "settings into separate folders"
    ]


def test_the_longest_of_equal_runs_is_compared(logs: Path, write_study: WriteStudy) -> None:
    shutil.rmtree(logs / "CartPole-v1_1")
    longer = ((10, 20), (30, 50), (100, 300), (200, 400), (5, 5))
    write_log(logs / "CartPole-v1_0-a", "CartPole-v1", 0)
    write_log(logs / "CartPole-v1_0-b", "CartPole-v1", 0, returns=longer)
    write_log(logs / "CartPole-v1_0-c", "CartPole-v1", 0, returns=longer)
    (found,) = read_imported(load_study(write_study(STUDY)))
    assert [run.log.path.name for run in found.runs] == ["CartPole-v1_0-b"]
    assert found.left_out == [
        "CartPole-v10_1: ignored, CartPole-v10 is no environment of the study",
        "CartPole-v1_0-a: same environment and seed 0 as CartPole-v1_0-b",
        "CartPole-v1_0-c: same environment and seed 0 as CartPole-v1_0-b",
    ]


@pytest.mark.parametrize(
    ("written", "logged"), [("gymnasium:CartPole-v1", "CartPole-v1"), ("CartPole-v1", "a:CartPole-v1")]
)
def test_an_id_with_its_module_is_that_of_the_plain_one(
    tmp_path: Path, write_study: WriteStudy, written: str, logged: str
) -> None:
    write_log(tmp_path / "logs/ppo/CartPole-v1_1", logged, 3)
    path = write_study(f"""
        name: own
        total_timesteps: 256
        seeds: 1
        evaluation: {{every: 64, last: 2}}
        environments: ["{written}"]
        imported: {{zoo_ppo: {{folder: logs/ppo}}}}
    """)
    (found,) = read_imported(read_study(path))
    assert [(run.log.environment, run.log.seed) for run in found.runs] == [(written, 3)]


def test_what_stable_baselines_writes(write_study: WriteStudy, finished: Finished, tmp_path: Path) -> None:
    """A folder as rl_zoo3 makes it, by SB3's own EvalCallback, Monitor and save."""
    folder = tmp_path / "logs" / "ppo" / "CartPole-v1_1"
    write_log(folder, "CartPole-v1", 3)
    (folder / "evaluations.npz").unlink()
    (folder / "0.monitor.csv").unlink()
    env = make_vec_env("CartPole-v1", 2, seed=3, monitor_dir=str(folder))
    callback = EvalCallback(
        make_vec_env("CartPole-v1"), n_eval_episodes=3, eval_freq=32, log_path=str(folder), verbose=0
    )
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=64, n_epochs=1, seed=3, device="cpu").learn(256, callback)
    model.save(folder / "CartPole-v1.zip")
    path = write_study(STUDY + "      mine: {folder: logs/ppo, returns: training}\n")
    evaluated, trained = read_imported(load_study(path))
    assert evaluated.left_out == trained.left_out == []
    assert evaluated.versions == [stable_baselines3.__version__]
    assert evaluated.runs[0].series.timesteps.tolist() == [64, 128, 192, 256]
    assert [len(returns) for returns in evaluated.runs[0].series.returns] == [3, 3, 3, 3]
    lengths = np.concatenate(trained.runs[0].series.lengths)
    returns = np.concatenate(trained.runs[0].series.returns)
    # A step of CartPole is worth 1; an episode under way in each environment is not written.
    assert lengths.tolist() == returns.tolist()
    assert 100 < lengths.sum() <= 256
    results = tmp_path / "results"
    shutil.copytree(finished.folders.root, results / "tiny")
    assert main(["report", str(path), "--results", str(results)]) == 0
    report = (results / "tiny" / "report.md").read_text()
    assert f"Stable-Baselines3 {stable_baselines3.__version__}: returns of training episodes (monitor.csv)" in report
    arms = pd.read_csv(results / "tiny" / "results.csv")["arm"].unique().tolist()
    assert arms == ["narrow", "ppo", "zoo_ppo (imported)", "mine (imported, training episodes)"]


def test_imported_runs_are_compared_and_never_run(
    logs: Path, write_study: WriteStudy, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_study(STUDY)
    study = load_study(path)
    assert list(study.arms) == ["ppo", "narrow"]
    assert study.compared == ["ppo", "narrow", "zoo_ppo (imported)"]
    assert {run.arm for run in study.runs} == {"ppo", "narrow"}
    assert main(["plan", str(path), "--results", str(finished.folders.root.parent)]) == 0
    shown = capsys.readouterr().out
    assert f"zoo_ppo (imported): runs read from {logs}: 1, none to make." in shown
    assert "left out: CartPole-v10_1: ignored" in shown


@pytest.mark.usefixtures("logs")
def test_imported_rows(
    write_study: WriteStudy, finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    shutil.copytree(finished.folders.root, results / "tiny")
    assert main(["run", str(write_study(STUDY)), "--results", str(results)]) == 0
    assert "8 runs, 8 finished before" in capsys.readouterr().out
    table = pd.read_csv(results / "tiny" / "results.csv")
    rows = table[table["arm"] == "zoo_ppo (imported)"]
    assert rows["identity"].unique().tolist() == ["imported"]
    assert rows["seed"].unique().tolist() == [2861]
    assert rows["timesteps"].tolist() == [64, 128, 192, 256]
    assert rows["mean_return"].tolist() == [15.0, 40.0, 200.0, 300.0]
    assert rows["std_return"].tolist() == [5.0, 10.0, 100.0, 100.0]
    report = (results / "tiny" / "report.md").read_text()
    # The score is the mean of the last two evaluations; one run has no interval.
    (row,) = [line for line in report.splitlines() if line.startswith("| zoo_ppo (imported) | 250.")]
    assert row.startswith("| zoo_ppo (imported) | 250.0 | missing |")
    assert "## Imported runs" in report
    assert "Stable-Baselines3 unknown: returns of evaluations (evaluations.npz)" in report
    assert "  - CartPole-v1_1: ppo on CartPole-v1, seed 2861, 4 points of 2 to 2 episodes" in report
    assert "  - left out: CartPole-v10_1: ignored, CartPole-v10 is no environment of the study" in report
    first = (results / "tiny" / "results.csv").read_bytes()
    assert main(["report", str(write_study(STUDY)), "--results", str(results)]) == 0
    assert (results / "tiny" / "results.csv").read_bytes() == first
