"""Exact resume: a run that was stopped and continued in another process equals the one that never stopped."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from gymnasium.utils import EzPickle
from sb3_contrib import TRPO, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback, EveryNTimesteps
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecFrameStack, VecNormalize

from sb3_ppo_variants import (
    AdaptiveClipPPO,
    KLPenaltyPPO,
    MaskableAdaptiveClipPPO,
    RecurrentKLPenaltyPPO,
    ResumeCallback,
    resume_model,
)
from sb3_ppo_variants.resume.generators import generator_states
from tests.environments import SpacesEnv

ROOT = Path(__file__).parent.parent
ROLLOUT = 64
TOTAL = 6 * ROLLOUT
STOP = 4 * ROLLOUT + 20
SMALL: dict[str, Any] = {"n_steps": 32, "seed": 0, "device": "cpu", "policy_kwargs": {"net_arch": [8]}}
PPO_SMALL: dict[str, Any] = {"batch_size": 16, "n_epochs": 2, **SMALL}
# A2C writes its optimiser into the dict that it is given.
A2C_SMALL: dict[str, Any] = {**SMALL, "policy_kwargs": {"net_arch": [8]}}


class Drawing(gym.Wrapper[Any, Any, Any, Any]):
    """Draws from the global generators and from its own sampler."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.action_space.seed(0)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        noise = random.random() + np.random.random() + float(th.rand(())) + float(self.action_space.sample())
        return observation, float(reward) + noise, terminated, truncated, info


class Rebuilt(EzPickle, SpacesEnv):
    """Pickled by its constructor's arguments alone, as Gymnasium's MuJoCo environments are."""

    def __init__(self) -> None:
        EzPickle.__init__(self)
        SpacesEnv.__init__(self)


class Masked(SpacesEnv):
    def __init__(self) -> None:
        super().__init__(action="discrete")

    def action_masks(self) -> Any:
        return np.arange(4) != self.steps % 4


def pendulum() -> gym.Env[Any, Any]:
    return gym.make("Pendulum-v1", max_episode_steps=50)


def cartpoles(**kwargs: Any) -> VecEnv:
    return make_vec_env("CartPole-v1", n_envs=2, **kwargs)


def normalized(venv: VecEnv) -> VecEnv:
    return VecFrameStack(VecNormalize(venv, gamma=0.9), n_stack=2)


def falling(progress_remaining: float) -> float:
    return 1e-3 * progress_remaining


SCENARIOS: dict[str, Callable[[], OnPolicyAlgorithm]] = {
    "cartpole": lambda: PPO("MlpPolicy", cartpoles(wrapper_class=Drawing), learning_rate=falling, **PPO_SMALL),
    "normalized": lambda: PPO(
        "MlpPolicy", normalized(make_vec_env(pendulum, n_envs=2)), clip_range_vf=falling, **PPO_SMALL
    ),
    "gsde": lambda: PPO("MlpPolicy", make_vec_env(pendulum, n_envs=2), use_sde=True, **PPO_SMALL),
    "a2c_gsde": lambda: A2C(
        "MlpPolicy", make_vec_env(pendulum, n_envs=2), use_sde=True, sde_sample_freq=5, **A2C_SMALL
    ),
    "rebuilt": lambda: PPO("MlpPolicy", make_vec_env(Rebuilt, n_envs=2), **PPO_SMALL),
    "adaptive_clip": lambda: AdaptiveClipPPO(
        "MlpPolicy", cartpoles(), desired_kl=1e-9, clip_range="lin_0.2", **PPO_SMALL
    ),
    "kl_penalty": lambda: KLPenaltyPPO(
        "MlpPolicy", make_vec_env(lambda: SpacesEnv(action="multidiscrete"), n_envs=2), desired_kl=1e-9, **PPO_SMALL
    ),
    "recurrent": lambda: RecurrentPPO(
        "MlpLstmPolicy", cartpoles(), **{**PPO_SMALL, "policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 8}}
    ),
    "maskable": lambda: MaskablePPO("MlpPolicy", make_vec_env(Masked, n_envs=2), **PPO_SMALL),
    "recurrent_kl_penalty": lambda: RecurrentKLPenaltyPPO(
        "MlpLstmPolicy",
        cartpoles(),
        desired_kl=1e-9,
        **{**PPO_SMALL, "policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 8}},
    ),
    "maskable_adaptive_clip": lambda: MaskableAdaptiveClipPPO(
        "MlpPolicy", make_vec_env(Masked, n_envs=2), desired_kl=1e-9, **PPO_SMALL
    ),
    "trpo": lambda: TRPO("MlpPolicy", cartpoles(), batch_size=16, **SMALL),
    "dict": lambda: PPO(
        "MultiInputPolicy", make_vec_env(lambda: SpacesEnv("dict"), n_envs=2), stats_window_size=3, **PPO_SMALL
    ),
}


class Stop(BaseCallback):
    """Ends a run within a rollout, as a kill would."""

    def _on_step(self) -> bool:
        return self.num_timesteps < STOP


class Kept(KVWriter):
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        # Only of the wall clock, or of this call of `learn`.
        clock = {"time/fps", "time/time_elapsed", "time/iterations"}
        self.rows.append({key: value for key, value in key_values.items() if key not in clock})

    def close(self) -> None:
        pass


def keep_log(model: OnPolicyAlgorithm) -> list[dict[str, Any]]:
    kept = Kept()
    model.set_logger(Logger(folder=None, output_formats=[kept]))
    return kept.rows


def stop_all(folder: str) -> None:
    """Run in another process."""
    for name, build in SCENARIOS.items():
        build().learn(TOTAL, log_interval=1, callback=[Stop(), ResumeCallback(Path(folder) / name, every=1)])


def train_until_killed(path: str) -> None:
    """Run in another process; what a user would write."""
    model = resume_model(PPO, path) if Path(path).exists() else PPO("MlpPolicy", cartpoles(), **PPO_SMALL)
    model.learn(10**9 - model.num_timesteps, callback=ResumeCallback(path, every=1), reset_num_timesteps=False)


def start(function: Callable[[str], None], path: Path) -> subprocess.Popen[bytes]:
    code = f"import sys; from tests.test_resume import {function.__name__} as run; run(sys.argv[1])"
    return subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT)


def finish(model: OnPolicyAlgorithm, total: int) -> OnPolicyAlgorithm:
    return model.learn(total - model.num_timesteps, log_interval=1, reset_num_timesteps=False)


def plain(value: Any) -> Any:
    """With arrays for tensors, for NumPy's comparison."""
    if isinstance(value, th.Tensor):
        return value.numpy()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def outcome(model: OnPolicyAlgorithm) -> dict[str, Any]:
    normalize = model.get_vec_normalize_env()
    statistics = {} if normalize is None else vars(normalize)
    state = {
        "weights": model.policy.state_dict(),
        "optimizer": model.policy.optimizer.state_dict(),
        "generators": generator_states(),
        "num_timesteps": model.num_timesteps,
        "n_updates": model._n_updates,
        "adaptive_state": getattr(model, "adaptive_state", None),
        "last_obs": model._last_obs,
        "hidden": getattr(model, "_last_lstm_states", None),
        "returns": statistics.get("returns"),
        "mean": statistics["obs_rms"].mean if normalize is not None else None,
        "episodes": [(episode["r"], episode["l"]) for episode in model.ep_info_buffer or ()],
    }
    return {name: plain(value) for name, value in state.items()}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    assert start(stop_all, folder).wait() == 0
    return folder


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_resumed_run_equals_one_that_never_stopped(name: str, stopped: Path) -> None:
    whole = SCENARIOS[name]()
    whole_log = keep_log(whole)
    whole.learn(TOTAL, log_interval=1)
    expected = outcome(whole)

    resumed = resume_model(type(whole), stopped / name)
    assert resumed.num_timesteps == 4 * ROLLOUT
    th.rand(3), np.random.random(3)  # what others draw before `learn` changes nothing
    log = keep_log(resumed)
    finish(resumed, TOTAL)
    np.testing.assert_equal(outcome(resumed), expected)
    np.testing.assert_equal(log, whole_log[-len(log) :])
    assert len(log) == 2


def test_mujoco(tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    whole = PPO("MlpPolicy", make_vec_env("Hopper-v5", n_envs=2), **PPO_SMALL)
    whole.learn(3 * ROLLOUT)
    stopped = PPO("MlpPolicy", make_vec_env("Hopper-v5", n_envs=2), **PPO_SMALL)
    stopped.learn(2 * ROLLOUT, callback=ResumeCallback(tmp_path / "run"))
    resumed = finish(resume_model(PPO, tmp_path / "run"), 3 * ROLLOUT)
    np.testing.assert_equal(outcome(resumed)["last_obs"], outcome(whole)["last_obs"])
    np.testing.assert_equal(outcome(resumed)["weights"], outcome(whole)["weights"])


def test_a_run_killed_twice_equals_one_that_never_stopped(tmp_path: Path) -> None:
    path = tmp_path / "run"
    for _ in range(2):
        before = path.stat().st_mtime_ns if path.exists() else 0
        child = start(train_until_killed, path)
        while not path.exists() or path.stat().st_mtime_ns == before:
            assert child.poll() is None
            time.sleep(0.01)
        time.sleep(random.uniform(0.0, 0.3))
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    resumed = resume_model(PPO, path)
    total = resumed.num_timesteps + 2 * ROLLOUT
    resumed_outcome = outcome(finish(resumed, total))
    whole = PPO("MlpPolicy", cartpoles(), **PPO_SMALL).learn(total)
    np.testing.assert_equal(resumed_outcome, outcome(whole))


def broken_rename(source: Any, target: Any) -> None:
    raise OSError("no space left")


def test_a_failing_save_keeps_the_file_and_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    model = SCENARIOS["cartpole"]().learn(ROLLOUT, callback=ResumeCallback(path))
    held = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", broken_rename)
        with pytest.warns(UserWarning, match="run stays as it was, not written: no space left"):
            model.learn(2 * ROLLOUT, callback=ResumeCallback(path, every=1))
    assert model.num_timesteps == 2 * ROLLOUT
    assert path.read_bytes() == held
    assert [file.name for file in tmp_path.iterdir()] == ["run"]
    assert resume_model(PPO, path).num_timesteps == ROLLOUT


def test_a_save_cut_short_keeps_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    model = SCENARIOS["cartpole"]().learn(ROLLOUT, callback=ResumeCallback(path))
    held = path.read_bytes()

    def cut_short(self: zipfile.ZipFile, name: str, content: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "writestr", cut_short)
        with pytest.raises(KeyboardInterrupt):
            model.learn(2 * ROLLOUT, callback=ResumeCallback(path, every=1))
    assert path.read_bytes() == held
    path.with_name("run.partial").write_bytes(b"left by a kill")
    model.learn(ROLLOUT, callback=ResumeCallback(path))
    assert path.read_bytes() != held
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_saves_lie_so_many_steps_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SCENARIOS["cartpole"]().learn(5 * ROLLOUT, callback=ResumeCallback(tmp_path / "run", every=100, verbose=2))
    assert capsys.readouterr().out.count("Saving") == 3  # after 128 and 256 steps, and at the end


def test_one_callback_may_serve_many_runs(tmp_path: Path) -> None:
    callback = ResumeCallback(tmp_path / "run")
    model = SCENARIOS["gsde"]()
    for _ in range(3):
        model.learn(ROLLOUT, callback=callback)
    assert not model.rollout_buffer.reset.functions  # type: ignore[attr-defined]


def test_monitor_files_go_on(tmp_path: Path) -> None:
    build = SCENARIOS["cartpole"]
    whole = build().learn(TOTAL)
    venv = cartpoles(wrapper_class=Drawing, monitor_dir=str(tmp_path / "monitor"))
    model = PPO("MlpPolicy", venv, learning_rate=falling, **PPO_SMALL)
    model.learn(TOTAL, callback=[Stop(), ResumeCallback(tmp_path / "run", every=1)])
    files = sorted((tmp_path / "monitor").iterdir())
    before = [file.read_text() for file in files]
    resumed = finish(resume_model(PPO, tmp_path / "run"), TOTAL)
    np.testing.assert_equal(outcome(resumed)["weights"], outcome(whole)["weights"])
    after = [file.read_text() for file in files]
    assert all(new.startswith(old) and len(new) > len(old) for new, old in zip(after, before, strict=True))


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


class Unpicklable(SpacesEnv):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def test_an_environment_that_cannot_be_pickled(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="cannot be pickled: TypeError: .*a resumed run needs `env`"):
        PPO("MlpPolicy", DummyVecEnv([Unpicklable] * 2), **PPO_SMALL).learn(64, callback=ResumeCallback(tmp_path / "r"))
    resumed = resume_model(PPO, tmp_path / "r", env=DummyVecEnv([Unpicklable] * 2))
    assert finish(resumed, 2 * ROLLOUT).num_timesteps == 2 * ROLLOUT
    with pytest.raises(ValueError, match="env: has 1 environments, the saved run had 2"):
        resume_model(PPO, tmp_path / "r", env=SpacesEnv())
    with pytest.raises(ValueError, match="env: wrap it .* which had none of VecNormalize"):
        resume_model(PPO, tmp_path / "r", env=VecNormalize(DummyVecEnv([SpacesEnv] * 2)))


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="path='nowhere': no such file"):
        resume_model(PPO, "nowhere")
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="path='.*text': not a file of ResumeCallback"):
        resume_model(PPO, tmp_path / "text")
    model = SCENARIOS["adaptive_clip"]()
    model.save(tmp_path / "model.zip")
    with pytest.raises(ValueError, match="a zip of `save` is read by `load`"):
        resume_model(PPO, tmp_path / "model.zip")
    model.learn(ROLLOUT, callback=ResumeCallback(tmp_path / "run"))
    with pytest.raises(ValueError, match=r"algorithm=stable_baselines3\.ppo\.ppo\.PPO: .* holds a .*AdaptiveClipPPO"):
        resume_model(PPO, tmp_path / "run")
    with pytest.raises(TypeError, match="algorithm=.*DQN.*: an on-policy class"):
        resume_model(DQN, tmp_path / "run")  # type: ignore[type-var]


def rewritten(path: Path, name: str, content: Callable[[bytes], bytes]) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    members[name] = content(members[name])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    path.write_bytes(buffer.getvalue())
    return path


def test_other_versions_and_unreadable_environments(tmp_path: Path) -> None:
    path = tmp_path / "run"
    SCENARIOS["cartpole"]().learn(ROLLOUT, callback=ResumeCallback(path))
    version = f'"PyTorch": "{th.__version__}"'.encode()
    rewritten(path, "about.json", lambda content: content.replace(version, b'"PyTorch": "1.0"'))
    with pytest.warns(UserWarning, match="saved under PyTorch 1.0, now .* may differ"):
        resume_model(PPO, path)
    rewritten(path, "environment.pkl", lambda content: b"moved")
    with (
        pytest.warns(match="may differ"),
        pytest.raises(ValueError, match="its environments cannot be read.*Pass `env`"),
    ):
        resume_model(PPO, path)
    rewritten(path, "about.json", lambda content: content.replace(b'"format": 1', b'"format": 9'))
    with pytest.raises(ValueError, match="has the format 9, this version reads 1"):
        resume_model(PPO, path)


@pytest.mark.parametrize("every", [0, -1, 1.5, True])
def test_bad_arguments(every: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"every={every}: a whole number"):
        ResumeCallback(tmp_path / "run", every=every)
    with pytest.raises(ValueError, match="path='.*': a file, not a folder"):
        ResumeCallback(tmp_path)


def test_misplaced_callbacks(tmp_path: Path) -> None:
    callback = ResumeCallback(tmp_path / "run")
    with pytest.raises(TypeError, match="DQN is not an on-policy algorithm"):
        DQN("MlpPolicy", "CartPole-v1", buffer_size=10).learn(1, callback=callback)
    with pytest.raises(ValueError, match="EveryNTimesteps passes no rollouts on"):
        SCENARIOS["cartpole"]().learn(1, callback=EveryNTimesteps(10, ResumeCallback(tmp_path / "run")))


def test_environment_and_model_share_their_spaces(tmp_path: Path) -> None:
    SCENARIOS["cartpole"]().learn(ROLLOUT, callback=ResumeCallback(tmp_path / "run"))
    resumed = resume_model(PPO, tmp_path / "run")
    assert resumed.env is not None
    assert resumed.action_space is resumed.env.action_space
    assert isinstance(resumed.action_space, spaces.Discrete)
