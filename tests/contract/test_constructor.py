"""Constructors take what those of the stock classes take."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests.contract.classes import (
    ROLLOUT,
    SMALL,
    each_class,
    host_of,
    is_ours,
    learn,
    make_env,
    make_model,
    policy_name,
    small_policy,
    stock_of,
)
from tests.models import same_weights


def stock_values(stock: Any) -> dict[str, Any]:
    """A value that is not the default for every numeric argument of the stock constructor, in its order."""
    parameters = inspect.signature(stock.__init__).parameters
    values = {}
    for name, parameter in list(parameters.items())[3:]:
        default = parameter.default
        changed = {"n_steps": 16, "batch_size": 8, "seed": 3, "device": "cpu", "target_kl": 0.3, "clip_range_vf": 0.4}
        is_float = isinstance(default, float)
        values[name] = changed.get(name, default * 0.9 if is_float else default)
    return values | {"_init_setup_model": False}


@each_class
def test_every_stock_argument_works_by_position(cls: Any) -> None:
    stock = stock_of(cls)
    values = stock_values(stock)
    theirs = stock(policy_name(stock), make_env(stock), *values.values())
    ours = cls(policy_name(cls), make_env(cls), *values.values())
    assert set(vars(theirs)) <= set(vars(ours))
    for name in set(vars(theirs)) - {"env"}:
        assert repr(getattr(ours, name)) == repr(getattr(theirs, name)), name


@each_class
def test_own_arguments_are_keyword_only_and_no_stock_argument_changes(cls: Any) -> None:
    stock = inspect.signature(stock_of(cls).__init__).parameters
    for ancestor in filter(is_ours, cls.__mro__):
        if "__init__" not in vars(ancestor):
            continue
        names = list(inspect.signature(ancestor.__init__).parameters.values())
        assert [parameter.name for parameter in names[:3]] == list(stock)[:3]
        for parameter in names[3:]:
            assert parameter.name not in stock
            assert parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    with pytest.raises(TypeError, match="positional argument"):
        cls(policy_name(cls), make_env(cls), *stock_values(stock_of(cls)).values(), 1.0)


@each_class
def test_methods_take_what_those_of_the_stock_class_take(cls: Any) -> None:
    """A method that is overridden still takes every argument of the stock method, by position."""
    stock = stock_of(cls)
    for name, method in inspect.getmembers(stock, callable):
        if name.startswith("__") or getattr(cls, name) is method or not callable(getattr(cls, name)):
            continue
        theirs, ours = (inspect.signature(getattr(owner, name)).parameters for owner in (stock, cls))
        if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in ours.values()):
            continue
        assert list(ours)[: len(theirs)] == list(theirs), name


@each_class
def test_policy_aliases_by_name_and_by_class(cls: Any) -> None:
    assert stock_of(cls).policy_aliases.items() <= cls.policy_aliases.items()
    alias = policy_name(cls)
    by_name = make_model(cls, policy=alias)
    by_class = make_model(cls, policy=cls.policy_aliases[alias])
    assert type(by_class.policy) is type(by_name.policy) is stock_of(cls).policy_aliases[alias]
    assert same_weights(by_class, by_name)
    with pytest.raises(
        ValueError,
        match=f"{cls.__name__}: policy='NoPolicy' is not known.* Choices: '{next(iter(cls.policy_aliases))}'",
    ):
        make_model(cls, policy="NoPolicy")


@each_class
def test_set_up_later(cls: Any) -> None:
    whole = make_model(cls)
    half = make_model(cls, _init_setup_model=False)
    assert not hasattr(half, "policy")
    half._setup_model()
    assert same_weights(half, whole)
    learn(half)


@each_class
def test_environment_by_name(cls: Any) -> None:
    if host_of(cls).masks:
        pytest.skip("no registered environment has action masks")
    model = cls(policy_name(cls), "CartPole-v1", policy_kwargs=small_policy(cls), **SMALL)
    model.learn(ROLLOUT)
    assert model.get_env().num_envs == 1
