from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.folders import Folders
from sb3_ppo_variants.bench.study import Study
from sb3_ppo_variants.bench.validation import load_study
from sb3_ppo_variants.bench.worker import Task, perform

TINY = """
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
"""

WriteStudy = Callable[[str], Path]


@dataclass(frozen=True)
class Finished:
    path: Path
    study: Study
    folders: Folders


@pytest.fixture
def write_study(tmp_path: Path) -> WriteStudy:
    def write(text: str) -> Path:
        path = tmp_path / "study.yaml"
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A study whose runs have all been made, one after the other."""
    folder = tmp_path_factory.mktemp("finished")
    path = folder / "tiny.yaml"
    path.write_text(textwrap.dedent(TINY))
    study = load_study(path)
    folders = Folders(folder / "results" / study.name)
    for run in study.runs():
        assert perform(Task(run, folders, "ppo-bench run tiny.yaml")).error is None
    return Finished(path, study, folders)
