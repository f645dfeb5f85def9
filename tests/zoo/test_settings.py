"""Every algorithm has hyperparameters in a file that RL Zoo is told of."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import yaml

from sb3_ppo_variants.bench.study.hyperparameters import hyperparameters
from sb3_ppo_variants.zoo.algorithms import ALGORITHMS, host
from sb3_ppo_variants.zoo.settings import HYPERPARAMETERS, with_conf_file


def test_every_algorithm_has_a_hyperparameter_file_with_defaults() -> None:
    assert len(ALGORITHMS) == 16
    for name in ALGORITHMS:
        settings = yaml.safe_load((HYPERPARAMETERS / f"{host(name)}.yml").read_text())
        expected = "MlpLstmPolicy" if "recurrent" in name else "MlpPolicy"
        assert settings["default"]["policy"] == expected


def test_the_file_is_named_for_variants_only() -> None:
    file = str(HYPERPARAMETERS / "recurrent.yml")
    assert with_conf_file(["--algo", "recurrent_dual_clip_ppo"])[:2] == ["--conf-file", file]
    file = str(HYPERPARAMETERS / "maskable_recurrent.yml")
    assert with_conf_file(["--algo", "maskable_recurrent_dual_clip_ppo"])[:2] == ["--conf-file", file]
    assert with_conf_file(["--algo", "ppo"]) == ["--algo", "ppo"]
    mine = ["--algo", "dual_clip_ppo", "-conf", "mine.yml"]
    assert with_conf_file(mine) == mine


NAMES = [name for name in yaml.safe_load((HYPERPARAMETERS / "ppo.yml").read_text()) if name != "default"]


@pytest.mark.skipif(find_spec("rl_zoo3") is None, reason="needs RL Zoo")
@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_those_of_rl_zoo(name: str) -> None:
    """Its MuJoCo tasks are those of version 4."""
    theirs = hyperparameters("zoo", "stable_baselines3.PPO", name.replace("-v5", "-v4"))
    ours = hyperparameters(str(HYPERPARAMETERS / "ppo.yml"), "stable_baselines3.PPO", name)
    assert ours == theirs
