"""`ppo-bench video` records the episodes that the best model plays. A file here is as long as its video has frames."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from sb3_ppo_variants.bench.cli import main
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.train import execute
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.video import NotRendered, best_run, check_rendering, record
from tests.bench.conftest import Finished
from tests.maskable_lstm.memory import Recall, solved

pytestmark = pytest.mark.processes

IMAGE = np.zeros((16, 16, 3), np.uint8)


class Drawn(gym.Env[Any, Any]):
    """Episodes of eight steps; the reward is the first observation, which is drawn when an episode begins."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space = gym.spaces.Box(-100.0, 100.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, render_mode: str | None = None, image: Any = IMAGE) -> None:
        self.render_mode, self.image = render_mode, image

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.steps, self.drawn = 0, self.np_random.uniform(-1.0, 1.0, 1).astype(np.float32)
        return self.drawn.copy(), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return self.drawn.copy(), float(self.drawn[0]), self.steps == 8, False, {}

    def render(self) -> Any:
        if isinstance(self.image, Exception):
            raise self.image
        return self.image


class Clip:
    """Stands for moviepy's: each frame is a byte of its file."""

    def __init__(self, frames: list[Any], fps: int) -> None:
        self.frames, self.fps = frames, fps

    def write_videofile(self, path: str, **_: Any) -> None:
        Path(path).write_bytes(bytes(len(self.frames)))


@pytest.fixture
def moviepy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in for moviepy."""
    for name in ("moviepy", "moviepy.video", "moviepy.video.io", "moviepy.video.io.ImageSequenceClip"):
        module: Any = types.ModuleType(name)
        module.__spec__ = importlib.util.spec_from_loader(name, None)
        module.ImageSequenceClip = Clip
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture(autouse=True)
def environments() -> Iterator[None]:
    gym.register("Drawn-v0", entry_point=lambda **kwargs: Drawn(**kwargs))
    gym.register("Recall-v0", entry_point=lambda **kwargs: Rendered(**kwargs))
    yield
    del gym.registry["Drawn-v0"], gym.registry["Recall-v0"]


class Rendered(Recall):
    """Recall with images."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        self.render_mode = render_mode

    def render(self) -> Any:
        return IMAGE


def study_of(environment: str, **arm: Any) -> Study:
    keys = {"name": "filmed", "total_timesteps": 32, "seeds": 1, "evaluation": {"every": 16, "episodes": 2, "last": 1}}
    arguments = {"n_steps": 16, "batch_size": 16, "device": "cpu"}
    return Study.model_validate(
        {**keys, "arguments": arguments, "environments": [environment], "arms": {"mine": arm} if arm else {}}
    )


@pytest.fixture
def run() -> Run:
    return study_of("Drawn-v0").runs[0]


def test_every_episode_is_a_video_of_all_its_frames(run: Run, tmp_path: Path, moviepy: None) -> None:
    made, output = tmp_path / "made", tmp_path / "videos"
    made.mkdir()
    execute(run, made, "")
    # The last model is not the one that plays.
    (made / "Drawn-v0.zip").unlink()
    videos = record(run, made, 3, output)
    assert [video.path.name for video in videos] == [f"ppo-Drawn-v0_0-episode-{number}.mp4" for number in range(3)]
    assert sorted(output.glob("*.mp4")) == [video.path for video in videos]
    # One image after the reset and one after each of eight steps.
    assert [video.path.stat().st_size for video in videos] == [9, 9, 9]
    # The episodes are those of evaluations: of the seed 0 + 10 000, with true rewards.
    environment = Drawn()
    first = environment.reset(seed=10_000)[0][0]
    assert videos[0].total_reward == pytest.approx(8 * first, abs=1e-6)
    assert videos[1].total_reward == pytest.approx(8 * environment.reset()[0][0], abs=1e-6)


def test_masks_and_hidden_states_are_carried(tmp_path: Path, moviepy: None) -> None:
    arm = {"algorithm": "sb3_ppo_variants.MaskableRecurrentVariantPPO", "policy": "MlpLstmPolicy"}
    run = study_of("Recall-v0", **arm).run("mine", "Recall-v0", 0)
    solved().save(tmp_path / "best_model.zip")
    assert [video.total_reward for video in record(run, tmp_path, 4, tmp_path / "videos")] == [1.0, 1.0, 1.0, 1.0]


def test_the_best_run_has_the_highest_score(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.folders.root, tmp_path / "tiny")
    study, folders = finished.study, Folders(tmp_path / "tiny")
    score = {}
    for run in study.runs_of("ppo", "Pendulum-v1"):
        stored = np.load(folders.finished(run) / "evaluations.npz")
        # The study's scores are those of the last two evaluations.
        score[run.seed] = stored["results"][-2:].mean()
    best = best_run(study, folders, "ppo", "Pendulum-v1")
    assert best is not None
    assert best.seed == max(score, key=lambda seed: score[seed])
    shutil.rmtree(folders.finished(best))
    other = best_run(study, folders, "ppo", "Pendulum-v1")
    assert other is not None
    assert other.seed == 1 - best.seed
    shutil.rmtree(folders.finished(other))
    assert best_run(study, folders, "ppo", "Pendulum-v1") is None


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "it returns NoneType, not an image"),
        (ImportError("pygame is\nnot installed"), "ImportError: pygame is not installed"),
    ],
)
def test_an_environment_without_images_is_an_error(
    run: Run, image: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("mujoco")]:
        monkeypatch.delitem(sys.modules, name)
    gym.registry["Drawn-v0"].kwargs["image"] = image
    with pytest.raises(NotRendered, match=f"Drawn-v0 cannot be rendered: {message}") as raised:
        check_rendering(run)
    assert "libosmesa6" not in str(raised.value)


def test_mujoco_says_what_it_needs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # The package itself is not there when its import fails.
    monkeypatch.setitem(sys.modules, "mujoco.rendering", types.ModuleType("mujoco.rendering"))
    gym.registry["Drawn-v0"].kwargs["image"] = RuntimeError("no OpenGL")
    with pytest.raises(NotRendered, match=r"no OpenGL; MuJoCo needs .* MUJOCO_GL=egl, or install libosmesa6"):
        check_rendering(run)


def video(finished: Finished, results: Path, *arguments: str) -> int:
    return main(["video", str(finished.path), "--results", str(results), *arguments])


def test_the_command(
    finished: Finished,
    tmp_path: Path,
    moviepy: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("gymnasium.envs.classic_control.CartPoleEnv.render", lambda self: IMAGE)
    shutil.copytree(finished.folders.root, tmp_path / "tiny")
    named = ["--arm", "narrow", "--environment", "CartPole-v1"]
    assert video(finished, tmp_path, *named, "--seed", "1", "--episodes", "2") == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 2
    path = tmp_path / "tiny" / "videos" / "narrow-CartPole-v1_1-episode-0.mp4"
    assert shown[0].startswith(f"Made {path}: return ")
    # The return of CartPole is the number of its steps.
    total = path.stat().st_size - 1
    assert shown[0].endswith(f"return {total}, best model of seed 1")
    assert video(finished, tmp_path, *named, "--output", str(tmp_path / "mine")) == 0
    assert len(list((tmp_path / "mine").glob("narrow-CartPole-v1_?-episode-0.mp4"))) == 1
    # The videos are nothing that a report leaves out.
    assert main(["status", str(finished.path), "--results", str(tmp_path)]) == 0
    assert "left out" not in capsys.readouterr().out


def test_the_command_says_what_is_missing(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ["--arm", "narrow", "--environment", "CartPole-v1"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "moviepy" else name)
    assert video(finished, tmp_path, *named) == 2
    assert 'needs moviepy: pip install "sb3-ppo-variants[video]"' in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    for arguments, message in (
        (named, "No run of narrow on CartPole-v1 is finished"),
        ([*named, "--seed", "1"], "the run is not finished"),
        ([*named, "--seed", "2"], "--seed 2: the study has 0, 1"),
    ):
        assert video(finished, tmp_path, *arguments) == 2
        assert message in capsys.readouterr().err


def test_moviepy_writes_a_film(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("moviepy", reason="an extra of its own: video")
    execute(run, tmp_path, "")
    (made,) = record(run, tmp_path, 1, tmp_path / "videos")
    # The mark of an MP4.
    assert made.path.read_bytes()[4:8] == b"ftyp"


def test_no_arm_has_the_name_of_the_folder_of_videos() -> None:
    arm = {"algorithm": "stable_baselines3.PPO"}
    keys = {
        "name": "named",
        "total_timesteps": 32,
        "seeds": 1,
        "evaluation": {"every": 8},
        "environments": ["Drawn-v0"],
    }
    with pytest.raises(ValueError, match="videos is a name in the folder of the study"):
        Study.model_validate({**keys, "arms": {"videos": arm}})
