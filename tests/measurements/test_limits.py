"""What has to be done whatever the algorithm: the steps of the environments and the matrix products."""

from __future__ import annotations

from typing import Any

import pytest
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from benchmarks.measurements.limits import Trainer
from benchmarks.measurements.settings import scaled, setting
from sb3_ppo_variants.vec_env import EnvPoolVecEnv


def test_the_limit_has_every_step_and_every_product(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(scaled("CartPole-v1", 2, 8), "cpu")
    done = {"steps": 0, "products": 0}
    step = trainer._env.step

    def count_step(actions: Any) -> Any:
        done["steps"] += 1
        return step(actions)

    def count_product() -> None:
        done["products"] += 1

    monkeypatch.setattr(trainer._env, "step", count_step)
    monkeypatch.setattr(trainer, "_products", [count_product] * 2)
    trainer.rollout()
    assert done == {"steps": 1024, "products": 0}  # 2048 steps in two environments
    trainer.update()
    assert done == {"steps": 1024, "products": 32}  # 4 epochs of 4 minibatches
    trainer.end_to_end()
    assert done == {"steps": 2048, "products": 64}


@pytest.mark.parametrize("name", ["C", "D"])
def test_continuous_actions_and_images_have_a_limit(name: str) -> None:
    Trainer(setting(name), "cpu").end_to_end()


def test_kinds_of_vectors() -> None:
    chosen = scaled("CartPole-v1", 2)
    kinds: dict[str, type[Any]] = {"dummy": DummyVecEnv, "subprocess": SubprocVecEnv}
    for kind, cls in kinds.items():
        vec_env = chosen.vec_env(kind)
        assert type(vec_env) is cls
        assert vec_env.num_envs == 2
        vec_env.close()


def test_envpool_has_a_limit_of_its_own() -> None:
    pytest.importorskip("envpool")
    assert isinstance(scaled("CartPole-v1", 2).vec_env("envpool"), EnvPoolVecEnv)
    Trainer(scaled("CartPole-v1", 2, 8), "cpu", "envpool").end_to_end()
