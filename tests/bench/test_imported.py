from __future__ import annotations

import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.imported import read_imported
from sb3_ppo_variants.bench.validation import load_study
from sb3_ppo_variants.bench.zoo_logs import UnreadableLog, read_log
from tests.bench.conftest import Finished, WriteStudy
from tests.bench.test_study import mistakes

STUDY = """
    name: tiny
    total_timesteps: 256
    seeds: 2
    evaluation: {every: 64, episodes: 2, last: 2}
    arguments: {device: cpu, n_steps: 64, n_epochs: 2, learning_rate: 1e-3}
    environments:
      CartPole-v1: {n_envs: 2, random_score: 20.0, reference_score: 500.0}
      Pendulum-v1: {normalize: true}
    arms:
      narrow: {algorithm: stable_baselines3.PPO, arguments: {clip_range: lin_0.1}}
    imported:
      zoo_ppo: {folder: logs/ppo}
"""


def write_log(
    folder: Path,
    environment: str,
    seed: int,
    returns: Any = ((10, 20), (30, 50), (100, 300), (200, 400)),
    every: int = 64,
    algo: str = "ppo",
) -> None:
    """Write what rl_zoo3 2.9 leaves of a run, as far as it is read."""
    place = folder / environment.replace("/", "-")
    place.mkdir(parents=True)
    arguments = OrderedDict(algo=algo, env=environment, env_kwargs=None, eval_freq=every, n_timesteps=-1, seed=seed)
    (place / "args.yml").write_text(yaml.dump(arguments))
    (place / "config.yml").write_text(yaml.dump(OrderedDict(n_envs=1, n_timesteps=256.0, policy="MlpPolicy")))
    (folder / "0.monitor.csv").write_text(f'#{{"t_start": 0.0, "env_id": "{environment}"}}\nr,l,t\n10.0,10,0.1\n')
    np.savez(
        folder / "evaluations.npz",
        timesteps=np.arange(1, len(returns) + 1) * every,
        results=np.array(returns, dtype=np.float64),
        ep_lengths=np.array(returns, dtype=np.int64),
    )


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs" / "ppo"
    write_log(folder / "CartPole-v1_1", "CartPole-v1", 2861)
    # A name that another environment's name contains.
    write_log(folder / "CartPole-v10_1", "CartPole-v10", 1)
    return folder


def test_a_log_of_rl_zoo(logs: Path) -> None:
    run = read_log(logs / "CartPole-v1_1")
    assert (run.algorithm, run.environment, run.seed) == ("ppo", "CartPole-v1", 2861)
    assert run.timesteps.tolist() == [64, 128, 192, 256]
    assert run.returns.tolist() == [[10, 20], [30, 50], [100, 300], [200, 400]]


def test_python_objects_in_the_arguments_are_not_made(logs: Path) -> None:
    path = logs / "CartPole-v1_1" / "CartPole-v1" / "args.yml"
    path.write_text("{algo: ppo, env: CartPole-v1, seed: 5, extra: !!python/object/apply:builtins.exit [3]}")
    assert read_log(logs / "CartPole-v1_1").seed == 5


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (("CartPole-v1/args.yml", None), "no <environment>/args.yml"),
        (
            ("CartPole-v1/args.yml", "{algo: ppo, env: CartPole-v1}"),
            "CartPole-v1/args.yml does not say algo, env and seed",
        ),
        (("CartPole-v1/args.yml", "[1, 2]"), "does not say algo, env and seed"),
        (("CartPole-v1/args.yml", "{algo: ppo, env: CartPole-v1, seed: true}"), "does not say algo, env and seed"),
        (("evaluations.npz", None), "no evaluations.npz"),
        (("evaluations.npz", "half a file"), "evaluations.npz cannot be read"),
    ],
)
def test_folders_that_are_no_runs(logs: Path, broken: tuple[str, str | None], reason: str) -> None:
    path = logs / "CartPole-v1_1" / broken[0]
    path.unlink()
    if broken[1] is not None:
        path.write_text(broken[1])
    with pytest.raises(UnreadableLog, match=reason):
        read_log(logs / "CartPole-v1_1")


def test_evaluations_that_do_not_fit_together(logs: Path) -> None:
    path = logs / "CartPole-v1_1" / "evaluations.npz"
    np.savez(path, timesteps=np.array([64]), results=np.zeros((2, 3)), ep_lengths=np.zeros((2, 3)))
    with pytest.raises(UnreadableLog, match="steps of shape"):
        read_log(logs / "CartPole-v1_1")


def test_no_folder_is_dropped_silently(logs: Path, write_study: WriteStudy) -> None:
    (logs / "CartPole-v1_2" / "CartPole-v1").mkdir(parents=True)
    write_log(logs / "CartPole-v1_3", "CartPole-v1", 7, returns=((1, 2), (3, 4)))
    write_log(logs / "CartPole-v1_4", "CartPole-v1", 2861)
    write_log(logs / "CartPole-v1_5", "CartPole-v1", 8, returns=((5, 6),), every=256)
    write_log(logs / "CartPole-v1_6", "CartPole-v1", 9, returns=((1, 1), (2, 2), (3, 3), (4, 4), (5, 5)))
    (found,) = read_imported(load_study(write_study(STUDY)))
    assert [(run.environment, run.seed, len(run.timesteps)) for run in found.runs] == [
        ("CartPole-v1", 9, 4),  # the fifth evaluation lies beyond the budget
        ("CartPole-v1", 2861, 4),
    ]
    assert found.left_out == [
        "CartPole-v10_1: ignored, CartPole-v10 is no environment of the study",
        "CartPole-v1_2: no <environment>/args.yml, so its environment and seed are not known",
        "CartPole-v1_3: incomplete, its evaluations end at 128 of the study's 256 steps",
        "CartPole-v1_4: same environment and seed 2861 as CartPole-v1_1",
        "CartPole-v1_5: 1 evaluations within 256 steps, a score needs 2",
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


def test_imported_runs_are_compared_and_never_run(
    logs: Path, write_study: WriteStudy, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_study(STUDY)
    study = load_study(path)
    assert list(study.arms) == ["ppo", "narrow"]
    assert study.compared == ["ppo", "narrow", "zoo_ppo"]
    assert {run.arm for run in study.runs()} == {"ppo", "narrow"}
    assert main(["plan", str(path), "--results", str(finished.folders.root.parent)]) == 0
    shown = capsys.readouterr().out
    assert f"zoo_ppo: 1 runs imported from {logs}, none to make." in shown
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
    rows = table[table["arm"] == "zoo_ppo"]
    assert rows["identity"].unique().tolist() == ["imported"]
    assert rows["seed"].unique().tolist() == [2861]
    assert rows["timesteps"].tolist() == [64, 128, 192, 256]
    assert rows["mean_return"].tolist() == [15.0, 40.0, 200.0, 300.0]
    assert rows["std_return"].tolist() == [5.0, 10.0, 100.0, 100.0]
    report = (results / "tiny" / "report.md").read_text()
    # The score is the mean of the last two evaluations; one run has no interval.
    (row,) = [line for line in report.splitlines() if line.startswith("| zoo_ppo | 250.")]
    assert row.startswith("| zoo_ppo | 250.0 | missing |")
    assert "### Imported runs" in report
    assert "  - CartPole-v1_1: CartPole-v1, seed 2861, 4 evaluations of 2 episodes" in report
    assert "  - left out: CartPole-v10_1: ignored, CartPole-v10 is no environment of the study" in report
    first = (results / "tiny" / "results.csv").read_bytes()
    assert main(["report", str(write_study(STUDY)), "--results", str(results)]) == 0
    assert (results / "tiny" / "results.csv").read_bytes() == first
