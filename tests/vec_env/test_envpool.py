from __future__ import annotations

import copy
import csv
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor, load_results
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
    assert load_results(str(tmp_path))["l"].tolist() == [int(row["l"]) for row in rows]


@pytest.mark.parametrize("num_threads", [1, 2])
def test_environments_keep_their_places(num_threads: int) -> None:
    # A pole stands for 8 steps at least, so that all episodes end together.
    short: dict[str, Any] = {"max_episode_steps": 7}
    together: Any = EnvPoolVecEnv("CartPole-v1", 5, seed=3, num_threads=num_threads, **short)
    alone: list[Any] = [EnvPoolVecEnv("CartPole-v1", 1, seed=3 + number, **short) for number in range(5)]
    np.testing.assert_array_equal(together.reset(), np.concatenate([vec_env.reset() for vec_env in alone]))
    rng = np.random.default_rng(0)
    for _ in range(30):
        chosen = rng.integers(2, size=5)
        observations, _, dones, infos = together.step(chosen)
        for number, vec_env in enumerate(alone):
            expected, _, done, info = vec_env.step(chosen[number : number + 1])
            np.testing.assert_array_equal(observations[number], expected[0])
            assert dones[number] == done[0]
            assert ("episode" in infos[number]) == done[0]
            if done[0]:
                assert infos[number]["episode"]["l"] == info[0]["episode"]["l"]


def test_images_are_of_each_environment() -> None:
    with closing(EnvPoolVecEnv("CartPole-v1", 3, render_mode="rgb_array")) as env:
        env.reset()
        images = env.get_images()
        assert len(images) == 3
        assert all(image is not None and image.ndim == 3 for image in images)


def test_returns_are_sums_of_rewards() -> None:
    vec_env: Any = EnvPoolVecEnv("Pendulum-v1", 2, seed=1)
    for _ in range(2):
        vec_env.reset()
        # What was begun before a reset does not count.
        vec_env.step(np.zeros((2, 1)))
    vec_env.reset()
    total = np.zeros(2)
    for _ in range(200):
        _, rewards, dones, infos = vec_env.step(np.zeros((2, 1)))
        total += rewards
    assert dones.all()
    assert [info["episode"]["r"] for info in infos] == [round(float(number), 6) for number in total]
    assert [info["episode"]["l"] for info in infos] == [200, 200]


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
        ({"env_id": "CartPole-v1", "gravity": 3}, r"env_kwargs: an argument of CartPole-v1='gravity' is not known"),
        ({"env_id": "CartPole-v1", "batch_size": 2}, r"env_kwargs: an argument of CartPole-v1='batch_size' is not"),
        ({"env_id": "CartPole-v1", "n_envs": 0}, r"n_envs=0: must be a whole number, at least 1"),
        ({"env_id": "CartPole-v1", "num_threads": -1}, r"num_threads=-1: must be"),
        ({"env_id": "CartPole-v1", "max_episode_steps": 0}, r"max_episode_steps=0: must be"),
        (
            {"env_id": "CartPole-v1", "info_keywords": ("step",)},
            r"info_keywords: .* of CartPole-v1='step' is not known",
        ),
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


def test_no_copies_and_no_pickles() -> None:
    with pytest.raises(TypeError, match="cannot be copied or pickled: those of CartPole-v1 live in C"):
        copy.deepcopy(EnvPoolVecEnv("CartPole-v1"))


def test_one_thread_unless_asked_otherwise() -> None:
    assert EnvPoolVecEnv("CartPole-v1", 4).pool.config["num_threads"] == 1
    assert EnvPoolVecEnv("CartPole-v1", 4, num_threads=2).pool.config["num_threads"] == 2


def test_every_seed_of_sb3_is_one_of_envpool() -> None:
    # EnvPool's end at 2 ** 31 - 1, those of SB3 at 2 ** 32 - 1.
    first: Any = EnvPoolVecEnv("CartPole-v1", 2, seed=2**31 - 1).reset()
    second: Any = EnvPoolVecEnv("CartPole-v1", 1, seed=2**32).reset()
    assert first[1].tolist() == second[0].tolist()


def test_counts_as_wrapped_in_monitor_alone() -> None:
    vec_env = EnvPoolVecEnv("CartPole-v1", 2)
    assert vec_env.env_is_wrapped(Monitor) == [True, True]
    assert vec_env.env_is_wrapped(gym.wrappers.TimeLimit, [0]) == [False]


def test_is_evaluated_and_goes_on_in_environments_of_gymnasium(tmp_path: Path) -> None:
    evaluation: Any = VecNormalize(make_vec_env("Pendulum-v1"), training=False, norm_reward=False)
    callback = EvalCallback(evaluation, n_eval_episodes=1, eval_freq=32, verbose=0)
    trained: Any = VecNormalize(EnvPoolVecEnv("Pendulum-v1", 2))
    model = PPO("MlpPolicy", trained, n_steps=32, batch_size=64).learn(64, callback=callback)
    np.testing.assert_array_equal(evaluation.obs_rms.mean, trained.obs_rms.mean)
    model.save(tmp_path / "model")
    PPO.load(tmp_path / "model", env=make_vec_env("Pendulum-v1", 2)).learn(64)


@pytest.mark.slow
def test_mujoco_compiled_normalised_saved_and_loaded(tmp_path: Path) -> None:
    vec_env = VecNormalize(EnvPoolVecEnv("HalfCheetah-v5", 8))
    assert vec_env.action_space.dtype == np.float32
    model = VariantPPO("MlpPolicy", vec_env, n_steps=128, batch_size=256, compile="strict", seed=0)
    # 1000 steps of the 8 environments, after which all of their episodes end.
    model.learn(8 * 1000)
    assert len(model.ep_info_buffer or ()) == 8
    model.save(tmp_path / "model")
    vec_env.save(str(tmp_path / "statistics.pkl"))
    again = VecNormalize.load(str(tmp_path / "statistics.pkl"), EnvPoolVecEnv("HalfCheetah-v5", 8, seed=5))
    again.training = again.norm_reward = False
    loaded = VariantPPO.load(tmp_path / "model", env=again)
    mean, _ = evaluate_policy(loaded, again, n_eval_episodes=8)
    assert -2000 < float(mean) < 2000  # type: ignore[arg-type]
    loaded.learn(1024, reset_num_timesteps=False)
    assert loaded.num_timesteps == 8 * 1024 + 1024


def test_actions_are_those_of_gymnasium() -> None:
    vec_env: Any = EnvPoolVecEnv("HalfCheetah-v5", 1)
    assert vec_env.action_space == gym.spaces.Box(-1, 1, (6,), np.float32)
    vec_env.reset()
    assert vec_env.step(np.zeros((1, 6), np.float32))[0].shape == (1, 17)


def test_options_of_a_reset_are_refused() -> None:
    env = EnvPoolVecEnv("CartPole-v1", np.int64(2))  # type: ignore[arg-type]
    env.set_options()
    env.set_options([{}, {}])
    assert len(env.reset()) == 2
    for options in ({"low": 0.0}, [{}, {"low": 0.0}]):
        with pytest.raises(ValueError, match="environments of EnvPool take none when they are reset"):
            env.set_options(options)
