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
        settings = yaml.safe_load(HYPERPARAMETERS[host(name)].read_text())
        expected = "MlpLstmPolicy" if "recurrent" in name else "MlpPolicy"
        assert settings["default"]["policy"] == expected


def test_the_file_is_named_for_variants_only() -> None:
    for name, file in (
        ("recurrent_variant_ppo", "recurrent"),
        ("maskable_recurrent_variant_ppo", "maskable_recurrent"),
    ):
        assert with_conf_file(["--algo", name]) == ["--algo", name, "--conf-file", str(HYPERPARAMETERS[file])]
    assert with_conf_file(["--algo", "ppo"]) == ["--algo", "ppo"]
    mine = ["--algo", "dual_clip_ppo", "-conf", "mine.yml"]
    assert with_conf_file(mine) == mine


def test_a_file_of_this_package_by_its_name() -> None:
    """Stock PPO trains with it too."""
    written = ["--algo", "ppo", "--conf-file", "mujoco"]
    assert with_conf_file(written) == [*written, "--conf-file", str(HYPERPARAMETERS["mujoco"])]


def test_arguments_of_mujoco_are_those_of_the_base_of_the_studies() -> None:
    """Worked out from docs/mujoco.md: three arguments of RL Zoo, the rest of the library."""
    entries = {name: hyperparameters("mujoco", "stable_baselines3.PPO", name) for name in TASKS}
    for entry in entries.values():
        assert (entry.policy, entry.n_envs, entry.normalize) == ("MlpPolicy", 1, True)
    deviation = {"policy_kwargs": {"log_std_init": -2}}
    assert entries["HalfCheetah-v5"].arguments == {"gamma": 0.98, "gae_lambda": 0.92, **deviation}
    assert entries["Hopper-v5"].arguments == deviation
    assert entries["Walker2d-v5"].arguments == entries["Ant-v5"].arguments == {}


TASKS = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5")
NAMES = [name for name in yaml.safe_load(HYPERPARAMETERS["ppo"].read_text()) if name != "default"]


@pytest.mark.skipif(find_spec("rl_zoo3") is None, reason="needs RL Zoo")
@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_those_of_rl_zoo(name: str) -> None:
    """Its MuJoCo tasks are those of version 4."""
    theirs = hyperparameters("zoo", "stable_baselines3.PPO", name.replace("-v5", "-v4"))
    ours = hyperparameters("ppo", "stable_baselines3.PPO", name)
    assert ours == theirs
