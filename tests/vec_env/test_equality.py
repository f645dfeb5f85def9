"""MuJoCo's environments of EnvPool are those of Gymnasium: docs/vec_env.md has the numbers of a longer comparison."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("envpool")
equality: Any = pytest.importorskip("tests.vec_env.equality")
# The release of MuJoCo that EnvPool 1.2 is built with.
OF_ENVPOOL = "3.6."
# Bodies that move freely in space, whose steps MuJoCo 4.0 computes slightly otherwise than 3.6.
FREE = ("Ant-v5", "Humanoid-v5", "HumanoidStandup-v5")


@pytest.mark.slow
@pytest.mark.parametrize("env_id", equality.ENVIRONMENTS)
def test_follows_gymnasium_step_for_step(env_id: str) -> None:
    same_release = metadata.version("mujoco").startswith(OF_ENVPOOL)
    for episode in equality.episodes(env_id, 3):
        assert episode.observations[0] < 1e-3
        assert episode.rewards[0] < 1e-4
        if same_release:
            assert episode.observations.max() < 1e-15
        if same_release or env_id not in FREE:
            # The rewards of EnvPool are float32.
            assert np.concatenate([episode.observations[:10], episode.rewards[:10]]).max() < 1e-6
            assert episode.ends_alike
    assert equality.initial_states(env_id) > 1e-3
