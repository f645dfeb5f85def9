"""Parameters are set, saved and loaded as in SB3, from and into the stock classes too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stable_baselines3.common.utils import FloatSchedule, set_random_seed

from tests.contract.classes import (
    ROLLOUT,
    Host,
    assert_finite,
    each_class,
    each_host,
    learn,
    make_env,
    make_model,
    saved,
    stock_of,
)
from tests.models import same_weights


@each_class
def test_get_and_set_parameters(cls: Any) -> None:
    stock, ours = make_model(stock_of(cls), seed=1), make_model(cls, seed=2)
    learn(stock)
    assert ours.get_parameters().keys() == stock.get_parameters().keys() == {"policy", "policy.optimizer"}
    assert not same_weights(ours, stock)
    ours.set_parameters(stock.get_parameters())
    assert same_weights(ours, stock)
    stock.set_parameters(ours.get_parameters())
    learn(ours)


@each_class
def test_set_parameters_exactly_or_not(cls: Any) -> None:
    one, other = make_model(cls, seed=1), make_model(cls, seed=2)
    only_policy = {"policy": one.get_parameters()["policy"]}
    with pytest.raises(ValueError, match=r"policy\.optimizer"):
        other.set_parameters(only_policy)
    other.set_parameters(only_policy, exact_match=False)
    assert same_weights(other, one)
    first = next(iter(only_policy["policy"]))
    less = {"policy": {name: tensor for name, tensor in only_policy["policy"].items() if name != first}}
    with pytest.raises(RuntimeError, match="Missing key"):
        other.set_parameters(less | {"policy.optimizer": one.get_parameters()["policy.optimizer"]})
    with pytest.raises(ValueError, match="nothing"):
        other.set_parameters({"nothing": {}}, exact_match=False)


@each_class
def test_parameters_from_a_zip(cls: Any, tmp_path: Path) -> None:
    one, other = make_model(cls, seed=1), make_model(stock_of(cls), seed=2)
    other.set_parameters(saved(one, tmp_path), device="cpu")
    assert same_weights(other, one)


@each_class
def test_custom_objects_replace_what_the_zip_holds(cls: Any, tmp_path: Path) -> None:
    path = saved(make_model(cls), tmp_path)
    replaced = {"learning_rate": 0.5, "lr_schedule": FloatSchedule(0.5), "n_epochs": 7, "clip_range": 0.123}
    for name in (stock_of(cls), cls):
        loaded = name.load(path, custom_objects=replaced, device="cpu")
        assert (loaded.learning_rate, loaded.n_epochs, loaded.clip_range(1.0)) == (0.5, 7, 0.123)
        assert loaded.lr_schedule(1.0) == 0.5
        loaded.set_env(make_env(cls))
        dumps = learn(loaded, updates=1)
    assert dumps[0]["train/clip_range"] == 0.123


@each_class
def test_load_keywords_and_open_files(cls: Any, tmp_path: Path) -> None:
    path = saved(make_model(cls), tmp_path)
    with path.open("rb") as file:
        loaded = cls.load(file, env=make_env(cls), device="cpu", learning_rate=0.5, gamma=0.9, verbose=0)
    assert (loaded.lr_schedule(1.0), loaded.gamma) == (0.5, 0.9)
    # Another number of environments than the model was made with.
    more = cls.load(path.with_suffix(""), env=make_env(cls, n_envs=3), device="cpu")
    assert more.n_envs == 3
    assert_finite(learn(more, updates=1))
    with pytest.raises(ValueError, match="policy kwargs"):
        cls.load(path, policy_kwargs={"net_arch": [3]})


@each_class
def test_zips_load_both_ways_and_go_on(cls: Any, tmp_path: Path) -> None:
    stock, ours = make_model(stock_of(cls)), make_model(cls)
    for model, loader in ((stock, cls), (ours, stock_of(cls))):
        learn(model)
        loaded = loader.load(saved(model, tmp_path), env=make_env(cls), device="cpu")
        assert same_weights(loaded, model)
        assert loaded.num_timesteps == model.num_timesteps
        assert_finite(learn(loaded, updates=1, reset_num_timesteps=False))
        assert loaded.num_timesteps == model.num_timesteps + ROLLOUT


@each_host
def test_a_stock_zip_goes_on_as_in_the_stock_class(host: Host, tmp_path: Path) -> None:
    model = make_model(host.stock)
    learn(model)
    path = saved(model, tmp_path)
    finals = []
    for cls in (host.stock, host.variant):
        loaded = cls.load(path, env=make_env(cls), device="cpu")
        set_random_seed(2)
        finals.append(loaded.learn(4 * ROLLOUT))
    assert same_weights(*finals)
    assert finals[1].logger.name_to_value["train/clip_fraction_removed"] > 0, (
        "an update that clips nothing shows nothing"
    )
    # And back again: the optimiser went along.
    back = host.stock.load(saved(finals[1], tmp_path), device="cpu")
    assert same_weights(back, finals[0])
