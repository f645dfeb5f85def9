"""Videos of the best model of a run."""

from __future__ import annotations

import contextlib
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import gymnasium as gym
import numpy as np

from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.play import play
from sb3_ppo_variants.bench.statistics.scores import scores, split_runs
from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.table.table import collect

# What SB3's EvalCallback saves.
BEST_MODEL = "best_model.zip"
RECORDER = "gymnasium.wrappers.RecordVideo"
MUJOCO_ADVICE = (
    "; MuJoCo needs an off-screen renderer: set MUJOCO_GL=egl, or install libosmesa6 (Debian) and set MUJOCO_GL=osmesa"
)


class NotRendered(Exception):
    """Why an environment gives no images."""


@dataclass(frozen=True)
class Video:
    """One recorded episode.

    :param path: the file
    :param total_reward: the true return of the episode
    """

    path: Path
    total_reward: float


def best_run(study: Study, folders: Folders, arm: str, environment: str) -> Run | None:
    """Return the finished run of an arm in an environment with the highest score; None when none is finished."""
    runs = split_runs(collect(study.runs_of(arm, environment), folders).results)
    measured = scores(runs, study).get((arm, environment))
    if measured is None:
        return None
    # A score that is no number is the worst.
    best = int(np.nan_to_num(measured, nan=-np.inf).argmax())
    return study.run(arm, environment, list(runs[arm, environment])[best])


def record(run: Run, folder: Path, episodes: int, output: Path) -> list[Video]:
    """Play the best model of a finished run and record every episode, in place of videos that have the same names.

    The recorder is the innermost wrapper: it sees the episodes of the environment, and each of its frames.

    :param folder: of the run
    :param output: where the files are written
    :raises NotRendered: when the environment gives no images
    """
    check_rendering(run)
    name = f"{run.arm}-{run.file_name}_{run.seed}"
    recorder = {
        "video_folder": str(output),
        "name_prefix": name,
        "episode_trigger": lambda episode: episode < episodes,
        "disable_logger": True,
    }
    recorded = replace(run, env_wrapper=[{RECORDER: recorder}, *(run.env_wrapper or [])])
    with warnings.catch_warnings():
        # Those of other runs stay.
        warnings.filterwarnings("ignore", ".*Overwriting existing videos")
        returns = play(recorded, folder, BEST_MODEL, episodes)
    return [Video(output / f"{name}-episode-{number}.mp4", total) for number, total in enumerate(returns)]


def check_rendering(run: Run) -> None:
    """Render the first image of the environment of a run.

    :raises NotRendered: when there is none, with what to install
    """
    try:
        with contextlib.closing(gym.make(run.environment, **{"render_mode": "rgb_array", **run.env_kwargs})) as env:
            env.reset(seed=run.seed)
            image = env.render()
    except Exception as error:  # whatever a renderer raises
        reason = f"{run.environment} cannot be rendered: {type(error).__name__}: {' '.join(str(error).split())}"
        # Parts of it are there even where its import failed.
        with_mujoco = any(name.startswith("mujoco") for name in sys.modules)
        raise NotRendered(reason + (MUJOCO_ADVICE if with_mujoco else "")) from error
    if not isinstance(image, np.ndarray):
        raise NotRendered(f"{run.environment} cannot be rendered: it returns {type(image).__name__}, not an image")
