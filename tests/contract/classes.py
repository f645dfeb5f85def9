"""Every host and class of the package, found by walking its public names, and a small model of each.

Nothing here is listed by hand: a new host or named class is in the battery as soon as it is in ``__all__``.
"""

from __future__ import annotations

import inspect
import itertools
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

import sb3_ppo_variants
from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.coefficients import Number
from tests.environments import ACTION_SPACES, SpacesEnv
from tests.models import Dumps
from tests.slow import slow_where

# A high learning rate, so that ratios leave the clip range within two updates.
SMALL: dict[str, Any] = {
    "learning_rate": 0.03,
    "n_steps": 16,
    "batch_size": 16,
    "n_epochs": 2,
    "seed": 0,
    "device": "cpu",
}
ROLLOUT = 32  # steps of one rollout of the small models, in two environments
POLICIES = {"vector": "Mlp", "image": "Cnn", "dict": "MultiInput"}
EMPTY = inspect.Parameter.empty


@dataclass(frozen=True)
class Host:
    """A stock class and the class of the package that takes its place.

    :param stock: of SB3 or sb3-contrib, or made of its parts
    :param variant: the class whose objective is free
    """

    stock: Any
    variant: Any

    @property
    def masks(self) -> bool:
        """Whether ``predict`` takes action masks."""
        return "action_masks" in inspect.signature(self.stock.predict).parameters

    @property
    def recurrent(self) -> bool:
        """Whether the policy has a hidden state."""
        policy = self.stock.policy_aliases[policy_name(self.stock)]
        return "lstm_hidden_size" in inspect.signature(policy.__init__).parameters

    @property
    def actions(self) -> list[str]:
        """The kinds of action spaces that the stock class accepts, the first of them the usual one here."""
        return [name for name in ACTION_SPACES if _accepts(self.stock, name)]


@cache
def _accepts(stock: Any, action: str) -> bool:
    try:
        stock(policy_name(stock), SpacesEnv(action=action), n_steps=8, batch_size=8, device="cpu")
    except AssertionError:
        return False
    return True


def policy_name(cls: Any, observation: str = "vector") -> str:
    """The alias of the policy for a kind of observations."""
    names: dict[str, Any] = cls.policy_aliases
    return next(name for name in names if name.startswith(POLICIES[observation]))


def is_ours(cls: type) -> bool:
    return cls.__module__.split(".")[0] == sb3_ppo_variants.__name__


def stock_of(cls: Any) -> Any:
    """The class that a class of the package stands in for."""
    return cls.stock


def _public_classes() -> list[Any]:
    public = [getattr(sb3_ppo_variants, name) for name in sb3_ppo_variants.__all__]
    return [cls for cls in public if inspect.isclass(cls) and issubclass(cls, BaseAlgorithm)]


CLASSES: list[Any] = _public_classes()
HOSTS = [Host(stock_of(cls), cls) for cls in CLASSES if cls.fixed_objective is None]
NAMED = [cls for cls in CLASSES if cls.fixed_objective is not None]

# A named class is a host with other defaults: on the first host it is enough for every day.
each_class = pytest.mark.parametrize(
    "cls",
    slow_where(lambda cls: cls in NAMED and stock_of(cls) is not HOSTS[0].stock, CLASSES, lambda cls: cls.__name__),
)
each_host = pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.stock.__name__)


def host_of(cls: Any) -> Host:
    """The host of a class of the package, or of a stock class."""
    return next(host for host in HOSTS if host.stock is getattr(cls, "stock", cls))


def a_value(number: Number) -> float:
    """The default of a number, or one that its record allows where it has none."""
    if number.default is not None:
        return number.default
    if np.isfinite(number.low) and np.isfinite(number.high):
        return (number.low + number.high) / 2
    return number.low + 0.01 if np.isfinite(number.low) else 0.01


def nonzero_value(coefficient: Number) -> float:
    """A value from which a coefficient can be scaled: its default may be 0."""
    return a_value(coefficient) or 0.1


def term_values(term: Term) -> dict[str, Any]:
    """A value for every coefficient and option of a term."""
    return {c.name: a_value(c) for c in term.coefficients} | {o.name: o.default for o in term.options}


def needed_arguments(terms: list[Term]) -> dict[str, float]:
    """Values for the coefficients that have no default and cannot be left out."""
    coefficients = [coefficient for term in terms for coefficient in term.coefficients]
    return {c.name: a_value(c) for c in coefficients if c.default is None and not c.optional}


def option_choices(term: Term) -> list[dict[str, str]]:
    """Every combination of a term's options."""
    names = [option.name for option in term.options]
    return [dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*(o.choices for o in term.options))]


def own_arguments(cls: Any) -> dict[str, inspect.Parameter]:
    """The arguments of a constructor that the stock class does not have."""
    stock = inspect.signature(stock_of(cls).__init__).parameters
    ours = [ancestor for ancestor in cls.__mro__ if is_ours(ancestor) and "__init__" in vars(ancestor)]
    return {
        name: parameter
        for name, parameter in inspect.signature(ours[0].__init__).parameters.items()
        if name not in stock and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def make_env(
    cls: Any, observation: str = "vector", action: str | None = None, n_envs: int = 2, **arguments: Any
) -> Any:
    """Environments that a class can learn on."""
    spaces = {"observation": observation, "action": action or host_of(cls).actions[0]}
    return make_vec_env(SpacesEnv, n_envs=n_envs, seed=5, env_kwargs=spaces, **arguments)


def small_policy(cls: Any) -> dict[str, Any]:
    """Policy arguments that make a tiny network."""
    return {"net_arch": [8]} | ({"lstm_hidden_size": 4} if host_of(cls).recurrent else {})


def make_model(cls: Any, env: gym.Env[Any, Any] | VecEnv | None = None, **arguments: Any) -> Any:
    """A small model of a class of the package, or of a stock class.

    :param cls: the class
    :param env: two environments of the host's usual spaces by default
    :param arguments: of the constructor; ``policy`` and ``policy_kwargs`` add to those of the small model
    """
    policy_kwargs = small_policy(cls) | arguments.pop("policy_kwargs", {})
    policy = arguments.pop("policy", policy_name(cls))
    venv = make_env(cls) if env is None else env
    return cls(policy, venv, policy_kwargs=policy_kwargs, **(SMALL | arguments))


def learn(model: Any, updates: int = 2, **arguments: Any) -> list[dict[str, Any]]:
    """Learn for some updates and return what was logged in each."""
    memory = Dumps()
    model.set_logger(Logger(None, [memory]))
    model.learn(updates * model.n_steps * model.n_envs, **arguments)
    model.logger.dump()
    return [dump for dump in memory.dumps if "train/loss" in dump]


def assert_finite(dumps: list[dict[str, Any]]) -> None:
    """Every number that was logged."""
    assert dumps
    for dump in dumps:
        for key, value in dump.items():
            assert np.isfinite(value), (key, value)


def saved(model: Any, folder: Path, name: str = "model.zip") -> Path:
    """The model in a zip."""
    model.save(folder / name)
    return folder / name
