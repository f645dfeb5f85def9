"""A subclass with a ``train()`` of its own, and what hooks and callbacks of users do around an update."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch as th
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import set_random_seed

from sb3_ppo_variants import (
    Coefficient,
    Minibatch,
    RecurrentVariantPPO,
    Term,
    UpdateHook,
    VariantPPO,
)
from tests.environments import SpacesEnv
from tests.models import SMALL, logged, same_weights


class OfStock(VariantPPO):
    train = PPO.train


class OfRecurrent(RecurrentVariantPPO):
    train = RecurrentPPO.train


@pytest.mark.parametrize("cls", [OfStock, OfRecurrent])
def test_the_stock_train_may_be_taken_back(cls: Any) -> None:
    policy = "MlpLstmPolicy" if cls is OfRecurrent else "MlpPolicy"
    arguments: dict[str, Any] = {**SMALL, "learning_rate": lambda progress: 1e-3 * progress}
    own, stock = (each(policy, SpacesEnv(), **arguments).learn(96) for each in (cls, cls.stock))
    assert same_weights(own, stock)


class SetsTheRate(BaseCallback):
    def _on_training_start(self) -> None:
        self.model._update_learning_rate(self.model.policy.optimizer)

    def _on_step(self) -> bool:
        return True


def test_the_learning_rate_may_be_set_before_the_first_update() -> None:
    own, stock = (each("MlpPolicy", SpacesEnv(), **SMALL).learn(32, SetsTheRate()) for each in (VariantPPO, PPO))
    assert same_weights(own, stock)


class Further(UpdateHook):
    """Goes on by twice what the update found."""

    @contextmanager
    def around_update(self, model: Any, update: Any) -> Iterator[None]:
        before = [parameter.detach().clone() for parameter in model.policy.parameters()]
        yield
        with th.no_grad():
            for parameter, start in zip(model.policy.parameters(), before, strict=True):
                parameter.copy_(start + 3 * (parameter - start))


def test_a_stop_after_an_epoch_does_not_hide_what_a_hook_does_at_the_end_of_its_block() -> None:
    arguments: dict[str, Any] = SMALL | {"hooks": Further(), "log_kl": True}
    stops: list[Any] = [None, {"kl": 1e3}]
    plain, stopped = (VariantPPO("MlpPolicy", SpacesEnv(), stop=stop, **arguments).learn(32) for stop in stops)
    assert logged(stopped)["train/kl"] == logged(plain)["train/kl"]


def count(minibatch: Minibatch) -> dict[str, th.Tensor]:
    return {"churn_loss": minibatch.ratio.sum()}


def test_a_term_cannot_replace_what_a_regularizer_logs() -> None:
    own = Term("own", lambda surrogate, minibatch: surrogate, log=count)
    model = VariantPPO("MlpPolicy", SpacesEnv(), objective=["clip", own], regularizers="churn", **SMALL)
    with pytest.raises(ValueError, match="objective: own logs 'churn_loss', which is logged already"):
        model.learn(32)


@pytest.mark.parametrize(("per_batch", "expected"), [(False, 64.0), (True, 16.0)])
def test_a_term_of_whole_minibatches_logs_their_mean(per_batch: bool, expected: float) -> None:
    """Four minibatches of 16 samples."""
    own = Term(
        "own",
        lambda surrogate, minibatch, *, own_coef: surrogate,
        coefficients=(Coefficient("own_coef", 1.0),),
        per_batch=per_batch,
        log=lambda minibatch, *, own_coef: {"own": own_coef * len(minibatch.ratio)},
    )
    assert logged(VariantPPO("MlpPolicy", SpacesEnv(), objective=own, **SMALL).learn(32))["train/own"] == expected


def test_the_hinge_that_acts_in_some_minibatches_says_so() -> None:
    arguments: dict[str, Any] = SMALL | {"n_epochs": 10, "learning_rate": 3e-3}
    model: Any = VariantPPO("MlpPolicy", SpacesEnv(), objective=["clip", "kl_hinge"], log_kl=True, **arguments)
    found = logged(model.learn(32))
    model.kl_hinge_start = 0.9 * found["train/kl"]
    assert logged(model.learn(32))["train/kl_hinge_excess"] > 0


def test_states_apart_without_a_seed_follow_the_global_generators() -> None:
    def trained() -> VariantPPO:
        set_random_seed(3)
        env = SpacesEnv()
        env.reset(seed=0)
        return VariantPPO("MlpPolicy", env, regularizers="churn", **{**SMALL, "seed": None}).learn(64)

    assert same_weights(trained(), trained())
