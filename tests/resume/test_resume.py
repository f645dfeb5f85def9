"""Exact resume: a run that was stopped and continued in another process equals the one that never stopped."""

from __future__ import annotations

import io
import os
import signal
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback, EveryNTimesteps
from stable_baselines3.common.logger import Logger

from sb3_ppo_variants import ResumeCallback, resume_model
from tests.resume.scenarios import (
    PPO_SMALL,
    ROLLOUT,
    SCENARIOS,
    TOTAL,
    cartpoles,
    finish,
    keep_log,
    outcome,
    start,
    stop_all,
    train_until_killed,
)
from tests.slow import slow_where
from tests.waiting import PATIENCE, wait_for


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    assert start(stop_all, folder).wait(PATIENCE) == 0
    return folder


# A host, a rule and a distribution at a time; the others are their mixtures.
QUICK = ("cartpole", "normalized", "gsde", "adaptive_clip", "recurrent", "hooks_and_regularizers", "maskable", "dict")


@pytest.mark.processes
@pytest.mark.parametrize("name", slow_where(lambda name: name not in QUICK, SCENARIOS))
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


def train_until_a_save_and_kill(path: Path) -> None:
    before = path.stat().st_mtime_ns if path.exists() else 0
    child = start(train_until_killed, path)
    wait_for(lambda: child.poll() is not None or (path.exists() and path.stat().st_mtime_ns != before))
    child.kill()
    assert child.wait() == -signal.SIGKILL


@pytest.mark.processes
def test_a_run_killed_twice_equals_one_that_never_stopped(tmp_path: Path) -> None:
    path = tmp_path / "run"
    train_until_a_save_and_kill(path)
    train_until_a_save_and_kill(path)
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


def test_a_refused_save_is_tried_again_before_the_next_rollout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, tried = os.replace, []
    model = SCENARIOS["cartpole"]()

    def refuses_once(source: Any, target: Any) -> None:
        tried.append(model.num_timesteps)
        if len(tried) == 1:
            raise OSError("no space left")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuses_once)
    with pytest.warns(UserWarning, match="not written: no space left"):
        model.learn(5 * ROLLOUT, callback=ResumeCallback(tmp_path / "run", every=2 * ROLLOUT))
    assert tried == [2 * ROLLOUT, 3 * ROLLOUT, 5 * ROLLOUT]


def test_the_folder_of_the_file_is_made(tmp_path: Path) -> None:
    SCENARIOS["cartpole"]().learn(ROLLOUT, callback=ResumeCallback(tmp_path / "a/b/run"))
    assert resume_model(PPO, tmp_path / "a/b/run").num_timesteps == ROLLOUT


def test_one_callback_may_serve_many_runs(tmp_path: Path) -> None:
    callback = ResumeCallback(tmp_path / "run")
    model = SCENARIOS["gsde"]()
    for _ in range(3):
        model.learn(ROLLOUT, callback=callback)
    assert not model.rollout_buffer.reset.functions  # type: ignore[attr-defined]


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
    rewritten(path, "about.json", lambda content: content.replace(b'"format": 3', b'"format": 9'))
    with pytest.raises(ValueError, match="has the format 9, this version reads 3"):
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


class AtTheStart(BaseCallback):
    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        pass


def test_a_callback_that_begins_rollouts_earlier_draws_a_warning(tmp_path: Path) -> None:
    model = SCENARIOS["cartpole"]()
    with pytest.warns(UserWarning, match="AtTheStart sees the start of a rollout before it; put it first in the list"):
        model.learn(ROLLOUT, callback=[AtTheStart(), ResumeCallback(tmp_path / "run")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.learn(ROLLOUT, callback=[ResumeCallback(tmp_path / "run"), AtTheStart()])


class Silent(Logger):
    """Holds nothing back."""

    def __init__(self) -> None:
        self.level = 0

    def record(self, *arguments: Any, **keywords: Any) -> None:
        pass

    record_mean = dump = record


def test_a_logger_that_holds_nothing_back(tmp_path: Path) -> None:
    model = SCENARIOS["cartpole"]()
    model.set_logger(Silent())
    model.learn(ROLLOUT, callback=ResumeCallback(tmp_path / "run"))
    resumed = resume_model(PPO, tmp_path / "run")
    resumed.set_logger(Silent())
    resumed.learn(ROLLOUT, reset_num_timesteps=False)
    assert resumed.num_timesteps == 2 * ROLLOUT
