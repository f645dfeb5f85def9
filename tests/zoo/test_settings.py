"""Every algorithm has hyperparameters in a file that RL Zoo is told of."""

from __future__ import annotations

import yaml

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
