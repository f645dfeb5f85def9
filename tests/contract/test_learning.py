"""``learn`` does what it does in SB3, on every kind of observation and vector environment."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch as th
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack, VecNormalize

from tests.contract.classes import (
    ROLLOUT,
    Host,
    assert_finite,
    each_class,
    each_host,
    learn,
    make_env,
    make_model,
    policy_name,
    saved,
    stock_of,
)
from tests.models import same_weights


@each_class
def test_learn_in_one_call_is_learn_in_two(cls: Any) -> None:
    for name in (stock_of(cls), cls):
        whole = make_model(name).learn(2 * ROLLOUT)
        halves = make_model(name).learn(ROLLOUT)
        halves.learn(ROLLOUT, reset_num_timesteps=False)
        assert same_weights(halves, whole)
        assert halves.num_timesteps == whole.num_timesteps == 2 * ROLLOUT
        assert halves._n_updates == whole._n_updates
    assert halves.adaptive_state == whole.adaptive_state


@each_class
def test_reset_num_timesteps(cls: Any) -> None:
    for name in (stock_of(cls), cls):
        model = make_model(name)
        seen = []
        for reset in (True, False, True):
            model.learn(ROLLOUT, reset_num_timesteps=reset)
            seen.append((model.num_timesteps, model._n_updates, model._total_timesteps))
        assert seen == [(32, 2, 32), (64, 4, 64), (32, 6, 32)]


@each_class
def test_learn_arguments_by_position(cls: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    calls: list[int] = []

    def count(variables: dict[str, Any], _: Any) -> bool:
        calls.append(variables["n_steps"])
        return True

    model = make_model(cls, tensorboard_log=str(tmp_path))
    model.learn(2 * ROLLOUT, count, 1, "some_name", True)
    model.learn(ROLLOUT, None, 1, "some_name", False)
    assert len(calls) == 32
    assert sorted(path.name for path in tmp_path.iterdir()) == ["some_name_1"]


@each_class
def test_same_seed_same_result(cls: Any) -> None:
    one, same, other = (make_model(cls, seed=seed).learn(2 * ROLLOUT) for seed in (1, 1, 2))
    assert same_weights(one, same)
    assert not same_weights(one, other)


@each_class
def test_set_random_seed_repeats_a_model(cls: Any) -> None:
    model = make_model(cls)
    start = copy.deepcopy(model.get_parameters())
    finals = []
    for _ in range(2):
        model.set_parameters(start)
        model.adaptive_state.clear()
        model._build_adaptation()
        model.set_random_seed(4)
        model.set_env(make_env(cls))
        finals.append({name: t.clone() for name, t in model.learn(ROLLOUT).policy.state_dict().items()})
    assert all(th.equal(finals[0][name], finals[1][name]) for name in finals[0])


@each_class
def test_set_env(cls: Any) -> None:
    for name in (stock_of(cls), cls):
        model = make_model(name)
        learn(model, updates=1)
        env = make_env(name)
        model.set_env(env)
        assert model.get_env() is env
        assert model._last_obs is None
        assert_finite(learn(model, updates=1))
        with pytest.raises(AssertionError, match="number of environments"):
            model.set_env(make_env(name, n_envs=3))
        with pytest.raises(ValueError, match="Observation spaces do not match"):
            model.set_env(make_env(name, observation="image"))


@pytest.mark.parametrize("observation", ["image", "dict"])
@each_class
def test_learns_on_images_and_dictionaries(cls: Any, observation: str) -> None:
    env = make_env(cls, observation=observation)
    policy = policy_name(cls, observation)
    model = make_model(cls, env, policy=policy, n_steps=8, batch_size=8, n_epochs=1, log_kl=True)
    assert type(model.policy) is stock_of(cls).policy_aliases[policy]
    assert_finite(learn(model))
    actions, _ = model.predict(env.reset())
    assert len(actions) == 2


@each_class
def test_a_single_environment_and_one_minibatch(cls: Any) -> None:
    model = make_model(cls, make_env(cls, n_envs=1), batch_size=16, n_epochs=1)
    assert_finite(learn(model))


@each_class
def test_vec_normalize(cls: Any, tmp_path: Path) -> None:
    env = VecNormalize(make_env(cls))
    model = make_model(cls, env)
    assert_finite(learn(model))
    assert model.get_vec_normalize_env() is env
    assert env.obs_rms.count > ROLLOUT
    env.save(str(tmp_path / "normalize.pkl"))
    again = VecNormalize.load(str(tmp_path / "normalize.pkl"), make_env(cls))
    loaded = cls.load(saved(model, tmp_path), env=again, device="cpu")
    assert loaded.get_vec_normalize_env() is again
    assert_finite(learn(loaded, updates=1))


@each_class
def test_vec_frame_stack(cls: Any) -> None:
    model = make_model(cls, VecFrameStack(make_env(cls), n_stack=3))
    assert model.observation_space.shape == (12,)
    assert_finite(learn(model))


@pytest.mark.processes
@each_host
def test_subproc_vec_env_equals_dummy_vec_env(host: Host) -> None:
    env = make_env(host.stock, vec_env_cls=SubprocVecEnv, vec_env_kwargs={"start_method": "fork"})
    try:
        apart = make_model(host.variant, env).learn(ROLLOUT)
    finally:
        env.close()
    together = make_model(host.variant, make_env(host.stock, vec_env_cls=DummyVecEnv)).learn(ROLLOUT)
    assert same_weights(apart, together)
