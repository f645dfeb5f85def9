from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ppo_variants import VariantPPO
from sb3_ppo_variants.vec_env import EnvPoolVecEnv


def test_without_envpool_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "envpool", None)
    with pytest.raises(ImportError, match=r'pip install "sb3-ppo-variants\[envpool\]"'):
        EnvPoolVecEnv("CartPole-v1")


@pytest.fixture(autouse=True)
def needs_envpool(request: pytest.FixtureRequest) -> None:
    if "without_envpool" not in request.node.name:
        pytest.importorskip("envpool")


def actions(vec_env: EnvPoolVecEnv, action: int) -> np.ndarray[Any, Any]:
    return np.full(vec_env.num_envs, action)


def test_an_episode_that_ends_begins_anew_in_the_same_step() -> None:
    vec_env: Any = EnvPoolVecEnv("CartPole-v1", 3)
    vec_env.reset()
    ends = 0
    for _ in range(40):
        observations, rewards, dones, infos = vec_env.step(actions(vec_env, 1))
        assert rewards.tolist() == [1.0] * 3
        assert rewards.dtype == np.float32
        for number in np.flatnonzero(dones):
            ends += 1
            # Pushed one way the pole falls over 12 degrees, 0.2095; an episode begins within 0.05 of the middle.
            assert abs(infos[number]["terminal_observation"][2]) > 0.2094
            assert np.abs(observations[number]).max() <= 0.05
            assert infos[number]["TimeLimit.truncated"] is False
            assert 8 <= infos[number]["episode"]["l"] <= 11
            assert infos[number]["episode"]["r"] == infos[number]["episode"]["l"]
    assert ends >= 9


def test_nothing_that_was_returned_changes_later() -> None:
    vec_env: Any = EnvPoolVecEnv("CartPole-v1", 4)
    returned = [vec_env.reset()]
    before = [returned[0].copy()]
    for _ in range(30):
        returned.append(vec_env.step(actions(vec_env, 1))[0])
        before.append(returned[-1].copy())
    assert all((now == then).all() for now, then in zip(returned, before, strict=True))


def test_the_end_of_time_is_told_from_an_end() -> None:
    vec_env: Any = EnvPoolVecEnv("Pendulum-v1", 2, max_episode_steps=5)
    vec_env.reset()
    for step in range(1, 11):
        _, _, dones, infos = vec_env.step(np.zeros((2, 1), np.float32))
        assert dones.tolist() == [step % 5 == 0] * 2
        assert [info["TimeLimit.truncated"] for info in infos] == [step % 5 == 0] * 2
    assert infos[0]["episode"]["l"] == 5


def test_a_seed_gives_the_same_episodes() -> None:
    def begun(seed: int | None, later: int | None = None) -> list[list[float]]:
        vec_env: Any = EnvPoolVecEnv("CartPole-v1", 2, seed=seed)
        if later is not None:
            vec_env.seed(later)
        first: list[list[float]] = vec_env.reset().tolist()
        return first

    assert begun(7) == begun(None, 7) == begun(3, 7)
    assert begun(7) != begun(8)
    # Each environment has the seed after that of the one before.
    assert begun(7)[1] == begun(8)[0]


def test_follows_gymnasium_step_for_step() -> None:
    vec_env: Any = EnvPoolVecEnv("CartPole-v1", 1, seed=4)
    environment = gym.make("CartPole-v1").unwrapped
    environment.reset(seed=0)
    environment.state = vec_env.reset()[0].astype(float)  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    for _ in range(200):
        action = int(rng.integers(2))
        expected, _, ended, _, _ = environment.step(action)
        observations, _, dones, infos = vec_env.step(np.array([action]))
        assert bool(dones[0]) == ended
        if ended:
            environment.reset()
            environment.state = observations[0].astype(float)  # type: ignore[attr-defined]
        np.testing.assert_allclose(
            infos[0]["terminal_observation"] if ended else observations[0], expected, rtol=1e-4, atol=1e-6
        )


def test_infos_that_were_asked_for_and_a_monitor_file(tmp_path: Path) -> None:
    vec_env: Any = EnvPoolVecEnv(
        "CartPole-v1", 2, filename=str(tmp_path / "monitor.csv"), info_keywords=("elapsed_step",)
    )
    vec_env.reset()
    for step in range(1, 12):
        *_, dones, infos = vec_env.step(actions(vec_env, 0))
        if not dones.any():
            assert [info["elapsed_step"] for info in infos] == [step, step]
        else:
            break
    vec_env.close()
    with (tmp_path / "monitor.csv").open() as file:
        file.readline()
        rows = list(csv.DictReader(file))
    assert len(rows) == dones.sum()
    assert all(float(row["l"]) == float(row["elapsed_step"]) == float(row["r"]) for row in rows)


def test_trains_as_any_vectorised_environment() -> None:
    for kind in (PPO, VariantPPO):
        model = kind("MlpPolicy", VecNormalize(EnvPoolVecEnv("Pendulum-v1", 4)), n_steps=64, batch_size=64, seed=1)
        model.learn(1000)
        assert len(model.ep_info_buffer or ()) == 4


def test_dictionaries_of_observations() -> None:
    vec_env: Any = EnvPoolVecEnv("CheetahRun-v1", 2, max_episode_steps=3)
    assert set(vec_env.reset()) == {"position", "velocity"}
    for _ in range(3):
        observations, _, dones, infos = vec_env.step(np.zeros((2, 6)))
    assert dones.all()
    assert set(infos[1]["terminal_observation"]) == set(observations)
    assert infos[1]["terminal_observation"]["velocity"].shape == (9,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"env_id": "CartPole-v7"}, r"env_id='CartPole-v7' is not known to EnvPool. Did you mean 'CartPole-v"),
        ({"env_id": "CartPole-v1", "gravity": 3}, r"an argument of CartPole-v1='gravity' is not known"),
    ],
)
def test_bad_input(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EnvPoolVecEnv(**given)


def test_what_lives_in_c_cannot_be_reached() -> None:
    vec_env: Any = EnvPoolVecEnv("CartPole-v1", 2)
    with pytest.raises(AttributeError, match="lives in C"):
        vec_env.get_attr("state")
    with pytest.raises(AttributeError, match="lives in C"):
        vec_env.set_attr("state", 1)
    with pytest.raises(AttributeError, match="lives in C"):
        vec_env.env_method("close")
