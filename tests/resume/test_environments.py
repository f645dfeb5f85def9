"""Environments go on from where they were, or a warning says what starts anew."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecMonitor, VecNormalize

from sb3_ppo_variants import ResumableEnv, ResumeCallback, resume_model
from sb3_ppo_variants.vec_env import EnvPoolVecEnv, FastDummyVecEnv
from tests.environments import SpacesEnv
from tests.resume.scenarios import (
    PPO_SMALL,
    ROLLOUT,
    SCENARIOS,
    TOTAL,
    Stop,
    cartpoles,
    finish,
    outcome,
)


def test_mujoco(tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    whole = PPO("MlpPolicy", make_vec_env("Hopper-v5", n_envs=2), **PPO_SMALL)
    whole.learn(3 * ROLLOUT)
    stopped = PPO("MlpPolicy", make_vec_env("Hopper-v5", n_envs=2), **PPO_SMALL)
    stopped.learn(2 * ROLLOUT, callback=ResumeCallback(tmp_path / "run"))
    resumed = finish(resume_model(PPO, tmp_path / "run"), 3 * ROLLOUT)
    np.testing.assert_equal(outcome(resumed)["last_obs"], outcome(whole)["last_obs"])
    np.testing.assert_equal(outcome(resumed)["weights"], outcome(whole)["weights"])


def episodes(folder: Path) -> list[list[str]]:
    """Returns and lengths in the files of Monitor, without the times."""
    files = sorted(folder.glob("*.monitor.csv"))
    return [[line.rpartition(",")[0] for line in file.read_text().splitlines()[1:]] for file in files]


def test_monitor_files_are_cut_back_and_move_with_the_file(tmp_path: Path) -> None:
    def build(folder: str) -> PPO:
        return PPO("MlpPolicy", cartpoles(monitor_dir=str(tmp_path / folder)), **PPO_SMALL)

    build("whole").learn(TOTAL)
    save = ResumeCallback(tmp_path / "stopped/run", every=ROLLOUT)
    build("stopped").learn(TOTAL, callback=[Stop(), save])
    for file in (tmp_path / "stopped").glob("*.monitor.csv"):
        file.write_bytes(file.read_bytes() + b"1.0,1,0.5\r\n")
    (tmp_path / "stopped").rename(tmp_path / "moved")
    finish(resume_model(PPO, tmp_path / "moved/run"), TOTAL)

    assert episodes(tmp_path / "moved") == episodes(tmp_path / "whole")
    assert not (tmp_path / "stopped").exists()


def test_environments_without_deep_copies(tmp_path: Path) -> None:
    def build() -> PPO:
        return PPO("MlpPolicy", VecNormalize(cartpoles(vec_env_cls=FastDummyVecEnv)), **PPO_SMALL)

    whole = build().learn(TOTAL)
    build().learn(TOTAL, callback=[Stop(), ResumeCallback(tmp_path / "run", every=1)])
    resumed = finish(resume_model(PPO, tmp_path / "run"), TOTAL)
    assert type(resumed.env.unwrapped) is FastDummyVecEnv  # type: ignore[union-attr]
    np.testing.assert_equal(outcome(resumed)["last_obs"], outcome(whole)["last_obs"])
    np.testing.assert_equal(outcome(resumed)["weights"], outcome(whole)["weights"])


def test_environments_of_envpool_begin_new_episodes(tmp_path: Path) -> None:
    pytest.importorskip("envpool")
    model = PPO("MlpPolicy", VecNormalize(EnvPoolVecEnv("CartPole-v1", 2)), **PPO_SMALL)
    with pytest.warns(UserWarning, match="EnvPool cannot be copied or pickled: .*a resumed run needs `env`"):
        model.learn(TOTAL, callback=[Stop(), ResumeCallback(tmp_path / "run", every=1)])
    with pytest.raises(ValueError, match="env is needed: .* holds no environment, because .*EnvPool"):
        resume_model(PPO, tmp_path / "run")
    again: Any = VecNormalize(EnvPoolVecEnv("CartPole-v1", 2, seed=1000))
    resumed = resume_model(PPO, tmp_path / "run", env=again)
    assert resumed.num_timesteps == 4 * ROLLOUT
    # One observation of each reset and 2 * 4 * 32 of the steps, and the small number that VecNormalize begins with.
    assert again.obs_rms.count == pytest.approx(2 + 4 * ROLLOUT, abs=0.01)
    assert finish(resumed, TOTAL).num_timesteps == TOTAL


@pytest.fixture
def other_processes() -> Iterator[Callable[[], VecNormalize]]:
    made = []

    def make() -> VecNormalize:
        venv = VecNormalize(SubprocVecEnv([lambda: gym.make("CartPole-v1")] * 2, start_method="fork"))
        made.append(venv)
        return venv

    yield make
    for venv in made:
        venv.close()


@pytest.mark.processes
def test_subprocesses_warn_and_keep_the_rest(tmp_path: Path, other_processes: Callable[[], VecNormalize]) -> None:
    path = tmp_path / "run"
    venv = other_processes()
    model = PPO("MlpPolicy", venv, **PPO_SMALL)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.learn(3 * ROLLOUT, callback=ResumeCallback(path, every=1))
    messages = [str(warning.message) for warning in caught if "ResumeCallback" in str(warning.message)]
    assert len(messages) == 1
    assert "SubprocVecEnv" in messages[0]
    assert "needs `env`, starts new episodes" in messages[0]

    with pytest.raises(ValueError, match="env is needed: .* holds no environment, because .*SubprocVecEnv.*not exact"):
        resume_model(PPO, path)
    again = other_processes()
    resumed = resume_model(PPO, path, env=again)
    assert resumed.get_vec_normalize_env() is again
    np.testing.assert_equal(outcome(resumed)["mean"], outcome(model)["mean"])
    np.testing.assert_equal(again.ret_rms.var, venv.ret_rms.var)
    np.testing.assert_equal(outcome(resumed)["optimizer"], outcome(model)["optimizer"])
    assert finish(resumed, 4 * ROLLOUT).num_timesteps == 4 * ROLLOUT
    with pytest.raises(ValueError, match="env: wrap it as for the first run, which had one of VecNormalize"):
        resume_model(PPO, path, env=cartpoles())


@pytest.mark.processes
@pytest.mark.parametrize("monitor", ["in each process", "around all"])
def test_subprocesses_are_exact_when_each_is_resumable(monitor: str, tmp_path: Path) -> None:
    def build(name: str) -> VecNormalize:
        folder = str(tmp_path / name) if monitor == "in each process" else None
        processes: VecEnv = make_vec_env(
            "CartPole-v1", 2, seed=3, monitor_dir=folder, wrapper_class=ResumableEnv,
            vec_env_cls=SubprocVecEnv, vec_env_kwargs={"start_method": "fork"},
        )  # fmt: skip
        return VecNormalize(VecMonitor(processes, str(tmp_path / name / "all")) if folder is None else processes)

    path = tmp_path / "stopped/run"
    with closing(build("whole")) as env:
        whole = outcome(PPO("MlpPolicy", env, **PPO_SMALL).learn(TOTAL))
    with closing(build("stopped")) as env:
        PPO("MlpPolicy", env, **PPO_SMALL).learn(TOTAL, callback=[Stop(), ResumeCallback(path, every=1)])
    with pytest.raises(ValueError, match="env is needed: .* holds environments of SubprocVecEnv"):
        resume_model(PPO, path)
    with closing(build("stopped")) as env:  # whose files it empties
        resumed = finish(resume_model(PPO, path, env=env), TOTAL)
        for name in ("weights", "last_obs", "mean"):
            np.testing.assert_equal(outcome(resumed)[name], whole[name])
    assert episodes(tmp_path / "stopped") == episodes(tmp_path / "whole")


@pytest.mark.processes
def test_subprocesses_that_cannot_be_pickled(tmp_path: Path) -> None:
    with closing(SubprocVecEnv([lambda: ResumableEnv(Unpicklable())] * 2, start_method="fork")) as env:
        model = PPO("MlpPolicy", env, **PPO_SMALL)
        with pytest.warns(UserWarning, match="cannot be pickled: TypeError: TypeError: .*lock"):
            model.learn(ROLLOUT, callback=ResumeCallback(tmp_path / "run"))


class Unpicklable(SpacesEnv):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def test_an_environment_that_cannot_be_pickled(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="cannot be pickled: TypeError: .*a resumed run needs `env`"):
        PPO("MlpPolicy", DummyVecEnv([Unpicklable] * 2), **PPO_SMALL).learn(64, callback=ResumeCallback(tmp_path / "r"))
    resumed = resume_model(PPO, tmp_path / "r", env=DummyVecEnv([Unpicklable] * 2))
    assert finish(resumed, 2 * ROLLOUT).num_timesteps == 2 * ROLLOUT
    with pytest.raises(ValueError, match="env: has 1 environment, the saved run had 2"):
        resume_model(PPO, tmp_path / "r", env=SpacesEnv())
    with pytest.raises(ValueError, match="env: wrap it .* which had none of VecNormalize"):
        resume_model(PPO, tmp_path / "r", env=VecNormalize(DummyVecEnv([SpacesEnv] * 2)))


def test_environment_and_model_share_their_spaces(tmp_path: Path) -> None:
    SCENARIOS["cartpole"]().learn(ROLLOUT, callback=ResumeCallback(tmp_path / "run"))
    resumed = resume_model(PPO, tmp_path / "run")
    assert resumed.env is not None
    assert resumed.action_space is resumed.env.action_space
    assert isinstance(resumed.action_space, spaces.Discrete)
