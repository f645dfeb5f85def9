from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import yaml
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecFrameStack,
    VecNormalize,
    unwrap_vec_normalize,
)

from sb3_ppo_variants.bench.runs.environments import make_env, make_evaluation_env
from sb3_ppo_variants.bench.runs.train import execute
from sb3_ppo_variants.bench.validation import load_study
from sb3_ppo_variants.vec_env import FastDummyVecEnv
from tests.bench.conftest import WriteStudy
from tests.bench.studies import RUN, mistakes

TIME = "gymnasium.wrappers.TimeAwareObservation"


class Bright(gym.ObservationWrapper[Any, Any, Any]):
    """An image, channels last, that shows nothing."""

    def __init__(self, env: gym.Env[Any, Any], size: int = 36) -> None:
        super().__init__(env)
        self.observation_space = gym.spaces.Box(0, 255, (size, size, 3), np.uint8)

    def observation(self, observation: Any) -> Any:
        return np.full(self.observation_space.shape, 7, np.uint8)


def test_wrappers_normalisation_and_frames_lie_as_in_rl_zoo() -> None:
    run = replace(RUN, env_wrapper=[{TIME: {}}], normalize={"gamma": 0.9}, frame_stack=3)
    training, evaluation = make_env(run), make_evaluation_env(run)
    for env in (training, evaluation):
        # Four numbers of CartPole and the time, three times.
        assert env.observation_space.shape == (15,)
        assert isinstance(env, VecFrameStack)
        assert isinstance(env.venv, VecNormalize)
        assert env.venv.observation_space.shape == (5,)
    statistics = unwrap_vec_normalize(evaluation)
    assert statistics is not None
    assert (statistics.training, statistics.norm_reward) == (False, False)


def test_wrappers_of_the_vectorised_environment() -> None:
    path = "stable_baselines3.common.vec_env.VecExtractDictObs"
    with pytest.raises(AssertionError, match="Dict"):
        make_env(replace(RUN, vec_env_wrapper=[{path: {"key": "image"}}]))


def test_one_process_for_each_environment(tmp_path: Path) -> None:
    run = replace(RUN, vec_env="subproc")
    env = make_env(run)
    assert isinstance(env, SubprocVecEnv)
    env.close()
    folders = [tmp_path / name for name in ("dummy", "subproc")]
    for made, folder in zip((RUN, run), folders, strict=True):
        folder.mkdir()
        execute(made, folder, "test")
    # Which process an environment lives in changes nothing that it does.
    one, two = (np.load(folder / "evaluations.npz")["results"] for folder in folders)
    np.testing.assert_array_equal(one, two)


def test_no_deep_copies_and_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = replace(RUN, environment="Pendulum-v1", total_timesteps=512, evaluation_every=256, normalize={"gamma": 0.9})
    assert [type(make(run).unwrapped) for make in (make_env, make_evaluation_env)] == [FastDummyVecEnv] * 2
    folders = [tmp_path / name for name in ("fast", "stock")]
    for folder in folders:
        folder.mkdir()
        execute(run, folder, "test")
        monkeypatch.setattr("sb3_ppo_variants.bench.runs.environments.FastDummyVecEnv", DummyVecEnv)
        assert type(make_env(run).unwrapped) is DummyVecEnv
    with np.load(folders[0] / "evaluations.npz") as fast, np.load(folders[1] / "evaluations.npz") as stock:
        np.testing.assert_array_equal(fast["results"], stock["results"])
    for name in ("0.monitor.csv", "1.monitor.csv"):
        fast_rows, stock_rows = ((folder / name).read_text().splitlines()[2:] for folder in folders)
        # Without the last column, which is the time.
        assert [row.split(",")[:2] for row in fast_rows] == [row.split(",")[:2] for row in stock_rows]
        assert len(fast_rows) == 1


def test_a_wrapped_run_is_written_in_rl_zoos_words(tmp_path: Path) -> None:
    run = replace(RUN, env_wrapper=[{TIME: {}}], normalize={"gamma": 0.9}, frame_stack=2)
    execute(run, tmp_path, "test")
    written = yaml.safe_load((tmp_path / "CartPole-v1" / "config.yml").read_text())
    assert (written["env_wrapper"], written["frame_stack"]) == ([{TIME: {}}], 2)
    assert (tmp_path / "CartPole-v1" / "vecnormalize.pkl").exists()


def test_stacked_images_are_evaluated_as_they_are_trained_on(tmp_path: Path) -> None:
    image = [{f"{__name__}.Bright": {"size": 40}}]
    run = replace(RUN, policy="CnnPolicy", env_wrapper=image, frame_stack=2, normalize={"norm_obs": False})
    execute(run, tmp_path, "test")
    with np.load(tmp_path / "evaluations.npz") as stored:
        assert stored["timesteps"].tolist() == [32, 64]


def test_sampled_actions_in_evaluations(tmp_path: Path) -> None:
    returns = []
    for deterministic in (True, False):
        folder = tmp_path / str(deterministic)
        folder.mkdir()
        run = replace(RUN, environment="Pendulum-v1", n_envs=1, evaluation_deterministic=deterministic)
        execute(run, folder, "test")
        with np.load(folder / "evaluations.npz") as stored:
            returns.append(stored["results"])
    assert (returns[0] != returns[1]).all()


TRIED = """
    name: wrapped
    total_timesteps: 1000
    seeds: 1
    evaluation: {every: 100}
    arguments: {device: cpu}
    environments:
      CartPole-v1: {env_wrapper: gymnasium.wrappers.NoSuchWrapper}
      Pendulum-v1: {env_wrapper: [{gymnasium.wrappers.RescaleAction: {min_action: -1.0, most: 1.0}}]}
"""


def test_wrappers_are_tried_before_anything_runs(write_study: WriteStudy) -> None:
    found = mistakes(write_study(TRIED))
    assert found[0] == "environments.CartPole-v1: ImportError: module gymnasium.wrappers has no NoSuchWrapper"
    assert found[1].startswith("environments.Pendulum-v1: TypeError: ")
    study = load_study(
        write_study(TRIED.replace("NoSuchWrapper", "TimeAwareObservation").replace("most", "max_action"))
    )
    rescaled = {"gymnasium.wrappers.RescaleAction": {"min_action": -1.0, "max_action": 1.0}}
    assert study.run("ppo", "Pendulum-v1", 0).env_wrapper == [rescaled]
