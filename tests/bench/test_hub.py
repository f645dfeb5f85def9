"""The folder for the Hub is made and read back, uploaded to a stand-in and loaded from it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import yaml
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import unwrap_vec_normalize

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.runs.environments import make_evaluation_env
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.study.study import Study
from tests.bench.conftest import Finished
from tests.bench.hub_server import serving
from tests.maskable_lstm.memory import Recall, solved
from tests.waiting import PATIENCE

pytestmark = pytest.mark.processes

huggingface_hub = pytest.importorskip("huggingface_hub")

FILES = {
    "README.md",
    "args.yml",
    "config.yml",
    "env_kwargs.yml",
    "report.html",
    "results.json",
    "study.yaml",
    "train_eval_metrics.zip",
}


@pytest.fixture(scope="module")
def study(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    root = tmp_path_factory.mktemp("hub") / "results" / "tiny"
    shutil.copytree(finished.folders.root, root)
    return Finished(finished.path, finished.study, Folders(root))


def output_of(study: Finished) -> Path:
    return study.folders.root.parent.parent / "hub"


@pytest.fixture(scope="module")
def folder(study: Finished) -> Path:
    """What is made of the second seed of an arm."""
    assert card(study, "--arm", "narrow", "--environment", "CartPole-v1", "--seed", "1") == 0
    return output_of(study) / "ppo-CartPole-v1"


def card(study: Finished, *arguments: str) -> int:
    results, output = study.folders.root.parent, output_of(study)
    command = ["card", str(study.path), "--results", str(results), "--output", str(output), "--episodes", "3"]
    return main([*command, *arguments])


def test_the_folder_has_what_rl_zoo_asks_for(study: Finished, folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == FILES | {"ppo-CartPole-v1.zip"}
    run = study.study.run("narrow", "CartPole-v1", 1)
    made = study.folders.finished(run) / "CartPole-v1.zip"
    assert (folder / "ppo-CartPole-v1.zip").read_bytes() == made.read_bytes()
    assert PPO.load(folder / "ppo-CartPole-v1").num_timesteps == 256
    arguments = yaml.safe_load((folder / "args.yml").read_text())
    assert (arguments["algo"], arguments["seed"]) == ("ppo", 1)
    assert yaml.safe_load((folder / "config.yml").read_text())["clip_range"] == "lin_0.1"
    with zipfile.ZipFile(folder / "train_eval_metrics.zip") as archive:
        assert {"evaluations.npz", "progress.csv", "0.monitor.csv", "1.monitor.csv"} <= set(archive.namelist())


def test_the_card_is_read_back(study: Finished, folder: Path) -> None:
    read = huggingface_hub.ModelCard.load(folder / "README.md")
    assert read.data.library_name == "stable-baselines3"
    assert {"CartPole-v1", "reinforcement-learning"} <= set(read.data.tags)
    (result,) = read.data.eval_results
    scored = json.loads((folder / "results.json").read_text())
    assert scored["n_eval_episodes"] == 3
    assert (result.metric_type, result.dataset_type) == ("mean_reward", "CartPole-v1")
    assert result.metric_value == f"{scored['mean_reward']:.2f} +/- {scored['std_reward']:.2f}"
    metadata = yaml.safe_load(read.content.split("---")[1])
    assert metadata["model-index"][0]["name"] == "PPO"
    # The table is that of the report.
    report = (study.folders.root / "report.md").read_text()
    results = report.partition("## Results")[2].partition("## ")[0]
    table = [line for line in results.splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert "\n".join(table) in read.text
    assert "`ppo-bench run tiny.yaml`" in read.text
    assert "stable_baselines3 " in read.text
    assert "clip_range: lin_0.1" in read.text


def test_a_folder_with_something_else_is_kept(
    study: Finished, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (folder / "README.md").read_text()
    assert card(study, "--arm", "ppo", "--environment", "CartPole-v1") == 2
    assert capsys.readouterr().err == (
        f"{folder} has no card of arm ppo of the study tiny, and is kept: choose another folder with --output\n"
    )
    assert (folder / "README.md").read_text() == text
    # That of the same arm is made anew.
    assert card(study, "--arm", "narrow", "--environment", "CartPole-v1", "--seed", "1") == 0


def test_a_normalised_run_has_its_statistics(study: Finished) -> None:
    assert card(study, "--arm", "ppo", "--environment", "Pendulum-v1") == 0
    folder = output_of(study) / "ppo-Pendulum-v1"
    assert json.loads((folder / "results.json").read_text())["n_eval_episodes"] == 3
    assert (folder / "vec_normalize.pkl").is_file()
    assert "vec_normalize.pkl" in (folder / "README.md").read_text()


def test_the_score_is_that_of_the_exported_weights(study: Finished) -> None:
    """By hand: the saved model in the evaluation environment, its observations normalised by the saved statistics."""
    from stable_baselines3.common.vec_env import VecNormalize

    from sb3_ppo_variants.bench.hub import evaluate

    run = study.study.run("ppo", "Pendulum-v1", 0)
    folder = study.folders.finished(run)
    scored = evaluate(run, folder, 2)
    env = make_evaluation_env(run)
    model = PPO.load(folder / "Pendulum-v1.zip")
    normalized = unwrap_vec_normalize(env)
    assert normalized is not None
    saved = VecNormalize.load(str(folder / "Pendulum-v1" / "vecnormalize.pkl"), normalized.venv)
    returns = []
    observation = env.venv.reset()  # type: ignore[attr-defined]
    for _ in range(2):
        total, done = 0.0, np.array([False])
        while not done[0]:
            action, _ = model.predict(saved.normalize_obs(observation), deterministic=True)
            observation, reward, done, _ = env.venv.step(action)  # type: ignore[attr-defined]
            total += reward[0]
        returns.append(total)
    assert scored.returns == pytest.approx(returns)
    assert scored.deterministic


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arm", "wide", "--environment", "CartPole-v1"], "--arm wide: the study has ppo, narrow"),
        (["--arm", "ppo", "--environment", "CartPole"], "--environment CartPole: the study has CartPole-v1, Pendulum"),
        (["--arm", "ppo", "--environment", "CartPole-v1", "--seed", "7"], "--seed 7: the study has 0, 1"),
    ],
)
def test_what_the_study_does_not_have_is_named(
    study: Finished, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert card(study, *arguments) == 2
    assert message in capsys.readouterr().err


def test_a_run_that_is_not_finished_has_no_card(study: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(study.folders.finished(study.study.run("narrow", "Pendulum-v1", 0)))
    assert card(study, "--arm", "narrow", "--environment", "Pendulum-v1") == 2
    assert "not finished" in capsys.readouterr().err


def test_push_without_a_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(tmp_path), "me/model"]) == 2
    assert "ppo-bench card" in capsys.readouterr().err


def environment(address: str, folder: Path) -> dict[str, str]:
    hub = {"HF_ENDPOINT": address, "HF_TOKEN": "hf_standin", "HF_HOME": str(folder), "HF_HUB_DISABLE_TELEMETRY": "1"}
    return os.environ | hub | {"NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1"}


def command(*arguments: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=PATIENCE
    )


def test_uploaded_to_a_stand_in(folder: Path, tmp_path: Path) -> None:
    with serving() as hub:
        push = ["-m", "sb3_ppo_variants.bench", "push", str(folder), "me/ppo-CartPole-v1", "--private"]
        done = command(*push, cwd=tmp_path, env=environment(hub.address, tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert "Uploaded to" in done.stdout
    assert hub.created[0]["name"] == "ppo-CartPole-v1"
    assert hub.files == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_upload_that_fails_says_why(folder: Path, tmp_path: Path) -> None:
    push = ["-m", "sb3_ppo_variants.bench", "push", str(folder), "me/model"]
    done = command(*push, cwd=tmp_path, env=environment("http://127.0.0.1:9", tmp_path / "home"))
    assert done.returncode == 1
    assert "Not uploaded: " in done.stderr
    assert "Traceback" not in done.stderr


def test_rl_zoo_loads_it_from_a_stand_in(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("rl_zoo3")
    pytest.importorskip("optuna")
    load = ["-m", "sb3_ppo_variants.zoo", "load_from_hub", "--algo", "ppo", "--env", "CartPole-v1", "-orga", "me"]
    with serving() as hub:
        hub.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        trusting = environment(hub.address, tmp_path / "home") | {"TRUST_REMOTE_CODE": "True"}
        done = command(*load, "-f", "logs", cwd=tmp_path, env=trusting)
    assert done.returncode == 0, done.stderr
    loaded = tmp_path / "logs" / "ppo" / "CartPole-v1_1"
    assert (loaded / "CartPole-v1.zip").read_bytes() == (folder / "ppo-CartPole-v1.zip").read_bytes()
    assert (loaded / "evaluations.npz").is_file()


def test_a_model_with_masks_and_lstm_is_scored_with_both(tmp_path: Path) -> None:
    from sb3_ppo_variants.bench.hub import evaluate

    arm = {"algorithm": "sb3_ppo_variants.MaskableRecurrentVariantPPO", "policy": "MlpLstmPolicy"}
    study = Study.model_validate(
        {
            "name": "recall",
            "total_timesteps": 12,
            "seeds": 1,
            "evaluation": {"every": 12, "episodes": 4, "last": 1},
            "environments": ["Recall-v0"],
            "arms": {"both": arm},
        }
    )
    gym.register("Recall-v0", entry_point=lambda **kwargs: Recall())
    try:
        run = study.run("both", "Recall-v0", 0)
        solved().save(tmp_path / f"{run.file_name}.zip")
        assert evaluate(run, tmp_path, 4).returns == (1.0, 1.0, 1.0, 1.0)
    finally:
        del gym.registry["Recall-v0"]
