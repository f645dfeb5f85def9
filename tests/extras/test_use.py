"""What a user does first with an extra; each test runs in an environment that has nothing else, see ``__main__.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STUDY = """
name: tiny
total_timesteps: 128
seeds: 2
evaluation: {every: 64, episodes: 1, last: 1}
arguments: {device: cpu, n_steps: 64, n_epochs: 1}
environments: [CartPole-v1]
arms:
  dual_clip: {algorithm: sb3_ppo_variants.DualClipPPO}
"""


def study(folder: Path, *arguments: str) -> Path:
    """Run a study with the command of the installation; return its folder."""
    (folder / "study.yaml").write_text(STUDY)
    command = [str(Path(sys.executable).parent / "ppo-bench"), "run", "study.yaml", "--workers", "1", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "results" / "tiny"


def learns(environment: str) -> None:
    from sb3_ppo_variants import DualClipPPO

    model = DualClipPPO("MlpPolicy", environment, n_steps=64, n_epochs=1, device="cpu").learn(64)
    assert model.num_timesteps == 64


@pytest.mark.slow
def test_none() -> None:
    learns("CartPole-v1")


@pytest.mark.slow
def test_bench(tmp_path: Path) -> None:
    assert "| dual_clip |" in (study(tmp_path) / "report.md").read_text()


@pytest.mark.slow
def test_cluster(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    assert (study(tmp_path, "--executor", "dask") / "report.html").is_file()


@pytest.mark.slow
def test_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(study(tmp_path) / "results.parquet").num_rows == 8


@pytest.mark.slow
def test_mujoco() -> None:
    pytest.importorskip("mujoco")
    learns("InvertedPendulum-v5")


@pytest.mark.slow
def test_box2d() -> None:
    pytest.importorskip("Box2D")
    learns("LunarLander-v3")
