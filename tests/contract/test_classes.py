"""What every named class keeps to on its host, and every term and rule on every host."""

from __future__ import annotations

import itertools
import json
import math
import pickle
import zipfile
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import pytest
from stable_baselines3.common.utils import ConstantSchedule, set_random_seed

from sb3_ppo_variants.algorithm import VariantAlgorithm
from sb3_ppo_variants.feedback import EPISODE_RETURN
from sb3_ppo_variants.rules import RULES
from sb3_ppo_variants.stops import STOPS
from sb3_ppo_variants.terms import TERMS
from tests.contract.classes import (
    CLASSES,
    HOSTS,
    NAMED,
    Host,
    a_value,
    assert_finite,
    each_class,
    each_host,
    host_of,
    learn,
    make_env,
    make_model,
    needed_arguments,
    nonzero_value,
    option_choices,
    own_arguments,
    policy_name,
    saved,
    small_policy,
    stock_of,
    term_values,
)
from tests.contract.test_terms import PAIRS, in_order
from tests.environments import SpacesEnv
from tests.models import same_weights, slow_down

each_action = pytest.mark.parametrize(
    ("host", "action"),
    [
        pytest.param(
            host,
            action,
            id=f"{host.stock.__name__}-{action}",
            marks=[] if host is HOSTS[0] or action == host.actions[0] else pytest.mark.slow,
        )
        for host in HOSTS
        for action in host.actions
    ],
)
each_term = pytest.mark.parametrize("name", TERMS)


def test_the_walk_finds_the_hosts_and_every_variant_on_each() -> None:
    assert len({host.stock for host in HOSTS}) == len(HOSTS) >= 3
    variants = {cls.__mro__[1] for cls in NAMED}
    assert len(variants) >= 3
    for variant, host in itertools.product(variants, HOSTS):
        assert any(issubclass(cls, variant) and host_of(cls) == host for cls in NAMED), (variant, host)
    assert all(issubclass(cls, VariantAlgorithm) and issubclass(cls, host_of(cls).variant) for cls in CLASSES)


@each_class
def test_the_docstring_names_every_own_argument(cls: Any) -> None:
    names = [name for name in own_arguments(cls) if name != "objective" or cls.fixed_objective is None]
    text = cls.__doc__ if cls.fixed_objective is not None else cls.__doc__ + VariantAlgorithm.__doc__
    for name in names:
        assert f":param {name}:" in text, name


@each_class
def test_trains_and_logs_finite_values(cls: Any) -> None:
    model = make_model(cls, log_kl=True)
    before = {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}
    dumps = learn(model)
    assert len(dumps) == 2
    assert_finite(dumps)
    assert {"train/kl", "train/kl_max", "train/ratio_max", "train/grad_norm"} <= set(dumps[0])
    assert any(not tensor.equal(before[name]) for name, tensor in model.policy.state_dict().items())
    assert all(parameter.isfinite().all() for parameter in model.policy.parameters())


@each_class
def test_logs_all_that_the_stock_class_logs(cls: Any) -> None:
    for ours, stock in zip(learn(make_model(cls)), learn(make_model(stock_of(cls))), strict=True):
        assert set(stock) <= set(ours)


def goes_on(model: Any) -> Any:
    """One more update from a known state of the random generators and of the environments."""
    model.set_env(make_env(type(model)))
    set_random_seed(1)
    return model.learn(model.n_steps * model.n_envs, reset_num_timesteps=False)


@each_class
def test_a_loaded_model_goes_on_as_if_never_saved(cls: Any, tmp_path: Path) -> None:
    for name in (stock_of(cls), cls):
        model = make_model(name)
        learn(model)
        loaded = name.load(saved(model, tmp_path), device="cpu")
        assert same_weights(loaded, model)
        assert loaded.num_timesteps == model.num_timesteps
        assert same_weights(goes_on(loaded), goes_on(model))
        assert loaded._n_updates == model._n_updates == 6
    assert loaded.adaptive_state == model.adaptive_state
    if model.adapt:
        assert all(state["updates"] == 3 for state in model.adaptive_state.values())


@each_class
def test_what_is_learned_is_saved(cls: Any, tmp_path: Path) -> None:
    """A rule that moved is found again: with a tiny target every update is too large."""
    if "desired_kl" not in own_arguments(cls):
        pytest.skip("adapts nothing")
    model = make_model(cls, desired_kl=1e-9)
    learn(model)
    loaded = cls.load(saved(model, tmp_path))
    assert loaded.adaptive_state == model.adaptive_state
    assert all(state["multiplier"] != 1.0 for state in loaded.adaptive_state.values())


@each_class
def test_pickles_with_cloudpickle(cls: Any) -> None:
    for name in (stock_of(cls), cls):
        model = make_model(name)
        learn(model)
        copy = cloudpickle.loads(cloudpickle.dumps(model))
        assert same_weights(copy, model)
        assert same_weights(goes_on(copy), goes_on(model))


@each_class
def test_pickles_with_pickle(cls: Any) -> None:
    for name in (stock_of(cls), cls):
        model = make_model(name)
        copy = pickle.loads(pickle.dumps(model))
        assert same_weights(copy, model)
        learn(copy)


@pytest.mark.parametrize("pickler", [cloudpickle, pickle], ids=["cloudpickle", "pickle"])
@each_host
def test_a_function_of_ones_own_pickles(host: Host, pickler: Any) -> None:
    model = make_model(host.variant, objective=["clip", slow_down])
    copy = pickler.loads(pickler.dumps(model))
    assert same_weights(copy, model)
    learn(copy)


@each_class
def test_a_zip_holds_what_the_stock_class_saves_and_plain_values(cls: Any, tmp_path: Path) -> None:
    """Nothing that is built anew on loading, and no pickled code beyond that of the stock class."""
    data = {}
    for name in (stock_of(cls), cls):
        with zipfile.ZipFile(saved(make_model(name).learn(32), tmp_path)) as archive:
            data[name] = json.loads(archive.read("data"))
    added = {name: value for name, value in data[cls].items() if name not in data[stock_of(cls)]}
    assert {"objective", "adapt", "adaptive_state", "log_kl"} <= set(added)
    for name, value in added.items():
        assert not name.startswith("_"), name
        assert not (isinstance(value, dict) and ":serialized:" in value), name


class NeverSteps(SpacesEnv):
    """Bad arguments must be refused before any environment step."""

    def step(self, action: Any) -> Any:
        raise AssertionError("an environment step was taken")

    def reset(self, **arguments: Any) -> Any:
        raise AssertionError("the environment was reset")


def refused(cls: Any, error: Any, match: str, **arguments: Any) -> None:
    env = NeverSteps(action=host_of(cls).actions[0])
    with pytest.raises(error, match=match):
        make_model(cls, env, **arguments).learn(1)


@each_class
def test_an_unknown_argument_raises_before_any_step(cls: Any, tmp_path: Path) -> None:
    refused(cls, TypeError, "n_stepz.*Did you mean 'n_steps'", n_stepz=3)
    path = saved(make_model(cls), tmp_path)
    with pytest.raises(TypeError, match="n_stepz.*Did you mean 'n_steps'"):
        cls.load(path, n_stepz=3)


@each_class
def test_a_wrong_own_argument_raises_before_any_step(cls: Any) -> None:
    """Neither a word nor an object of another kind passes for any of the arguments that the class adds."""
    for name in own_arguments(cls):
        if name in ("log_kl", "adapt", "stop"):
            continue  # a switch: anything is true or false; the others have tests of their own
        for wrong in ("nonsense", {"a": 1}):
            refused(cls, (TypeError, ValueError), f"{name}|nonsense", **{name: wrong})


@pytest.mark.parametrize("cls", NAMED, ids=lambda cls: cls.__name__)
def test_another_objective_of_a_named_class_raises_before_any_step(cls: Any) -> None:
    refused(cls, TypeError, rf"{cls.__name__} has the objective .*takes no objective='spo'", objective="spo")


@pytest.mark.parametrize("wrong", ["band", ["clip_range"], {"clip_range": 0.1}, {"clip_range": "band"}], ids=str)
@each_host
def test_a_wrong_kind_of_adapt_is_named(host: Host, wrong: Any) -> None:
    refused(host.variant, (TypeError, ValueError), "adapt", adapt=wrong)


@pytest.mark.parametrize("wrong", ["kl", ["kl"], {"kll": 0.1}, {"kl": 0.0}, {"kl": None}, {"kl": True}], ids=str)
@each_host
def test_a_wrong_kind_of_stop_is_named(host: Host, wrong: Any) -> None:
    refused(host.variant, (TypeError, ValueError), "stop", stop=wrong)


@pytest.mark.parametrize("name", STOPS)
@each_host
def test_every_stop_ends_an_update_on_every_host(host: Host, name: str) -> None:
    unstopped = learn(make_model(host.variant, log_kl=True))
    stopped = learn(make_model(host.variant, stop={name: 1e-9}))
    assert_finite(stopped)
    for free, early in zip(unstopped, stopped, strict=True):
        assert early["train/gradient_steps"] < free["train/gradient_steps"]
    assert learn(make_model(host.variant, stop={name: 1e9}))[-1]["train/gradient_steps"] == 4


@each_class
def test_a_coefficient_out_of_range_raises_before_any_step(cls: Any) -> None:
    for name in cls.fixed_objective or ["clip"]:
        for coefficient in TERMS[name].coefficients:
            below = [coefficient.low - 1] if math.isfinite(coefficient.low) else []
            for wrong in (math.nan, *below):
                refused(cls, ValueError, f"{coefficient.name}={wrong}", **{coefficient.name: wrong})


@each_term
@each_action
def test_every_term_on_every_host_and_action_space(host: Host, action: str, name: str) -> None:
    term = TERMS[name]
    env = make_env(host.stock, action=action)
    model = make_model(host.variant, env, objective=name, **needed_arguments([term]))
    dumps = learn(model)
    assert_finite(dumps)
    for argument, value in term_values(term).items():
        assert dumps[-1].get(f"train/{argument}", value) == value


@each_term
@each_host
def test_every_coefficient_can_be_scheduled_and_adapted(host: Host, name: str) -> None:
    for coefficient in TERMS[name].coefficients:
        if coefficient.tighter is None:
            continue
        start = nonzero_value(coefficient)
        bounds = {"low": start / 1.5, "high": min(start * 1.5, coefficient.high)}
        spec = {"rule": "band", "follow": "kl", "target": 1e-9, **bounds}
        arguments: dict[str, Any] = needed_arguments([TERMS[name]])
        arguments[coefficient.name] = ConstantSchedule(start)
        model = make_model(host.variant, objective=name, adapt={coefficient.name: spec}, **arguments)
        used = [dump[f"train/{coefficient.name}"] for dump in learn(model)]
        assert used[0] == start
        assert used[1] > start if coefficient.tighter == "up" else used[1] < start


FOLLOWED = [(rule, follow) for rule in RULES.values() for follow in rule.follows]


@pytest.mark.parametrize(("rule", "follow"), FOLLOWED, ids=[f"{rule.name}-{follow}" for rule, follow in FOLLOWED])
@each_host
def test_every_rule_follows_its_statistics_on_every_host(host: Host, rule: Any, follow: str) -> None:
    spec: dict[str, Any] = {number.name: a_value(number) for number in rule.arguments}
    spec |= {"rule": rule.name, "follow": follow, "low": 0.01, "high": 1.0}
    model = make_model(host.variant, adapt={"clip_range": spec})
    dumps = learn(model)
    assert_finite(dumps)
    assert f"train/{follow}" in dumps[-1] or follow == EPISODE_RETURN
    assert model.adaptive_state["clip_range"]["updates"] == 2
    assert 0.01 <= dumps[-1]["train/clip_range"] <= 1.0


CHOICES = [(name, options) for name, term in TERMS.items() for options in option_choices(term) if options]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), CHOICES, ids=["-".join([n, *o.values()]) for n, o in CHOICES])
@each_action
def test_every_option_on_every_host_and_action_space(
    host: Host, action: str, name: str, options: dict[str, str]
) -> None:
    arguments = needed_arguments([TERMS[name]]) | options
    model = make_model(host.variant, make_env(host.stock, action=action), objective=name, **arguments)
    assert_finite(learn(model))


@pytest.mark.slow
@pytest.mark.parametrize("objective", [names for names in PAIRS if in_order(names)], ids="-".join)
@each_action
def test_every_pair_trains(host: Host, action: str, objective: tuple[str, ...]) -> None:
    arguments = needed_arguments([TERMS[name] for name in objective])
    model = make_model(host.variant, make_env(host.stock, action=action), objective=objective, log_kl=True, **arguments)
    dumps = learn(model, updates=3)
    assert_finite(dumps)
    assert {"train/kl", "train/kl_max"} <= set(dumps[-1])


@pytest.mark.slow
@pytest.mark.parametrize("observation", ["vector", "image", "dict"])
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_on_every_pair_of_spaces(cls: Any, observation: str, tmp_path: Path) -> None:
    for action in host_of(cls).actions:
        env = make_env(cls, observation=observation, action=action)
        model = make_model(cls, env, policy=policy_name(cls, observation))
        assert_finite(learn(model))
        loaded = cls.load(saved(model, tmp_path), env=env)
        assert same_weights(loaded, model)
        learn(loaded, updates=1)


@each_class
def test_numbers_are_the_same_whether_measured_or_not(cls: Any) -> None:
    """``log_kl`` looks and changes nothing."""
    model = make_model(cls)
    dumps = learn(model)
    measured = make_model(cls, log_kl=True)
    for without, with_kl in zip(dumps, learn(measured), strict=True):
        assert set(with_kl) - set(without) <= {"train/kl", "train/kl_max"}
        for key in set(without) - {"time/fps", "time/time_elapsed"}:
            assert np.array_equal(without[key], with_kl[key]), key
    assert same_weights(measured, model)


@each_class
def test_default_arguments_make_a_model(cls: Any) -> None:
    """Nothing but a policy and an environment is needed, and every own argument has a default."""
    assert all(parameter.default is not parameter.empty for parameter in own_arguments(cls).values())
    model = cls(policy_name(cls), make_env(cls), policy_kwargs=small_policy(cls))
    assert type(model.policy) is stock_of(cls).policy_aliases[policy_name(cls)]
