"""Policies and feature extractors of a user, and the mode that they are in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from tests.contract.classes import ROLLOUT, assert_finite, each_class, learn, make_model, policy_name, saved, stock_of
from tests.models import same_weights


class Extractor(BaseFeaturesExtractor):
    """A feature extractor of a user."""

    def __init__(self, observation_space: spaces.Space[Any], width: int = 5) -> None:
        super().__init__(observation_space, features_dim=width)
        self.layer = th.nn.Linear(4, width)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        result: th.Tensor = self.layer(observations)
        return result


class WatchedExtractor(BaseFeaturesExtractor):
    """Batch norm and dropout; says in which mode it was used."""

    seen: list[tuple[bool, bool, bool]]
    inside_train = False

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        super().__init__(observation_space, features_dim=8)
        self.net = th.nn.Sequential(th.nn.Linear(4, 8), th.nn.BatchNorm1d(8), th.nn.Dropout(0.3))

    def forward(self, observations: th.Tensor) -> th.Tensor:
        cls = type(self)
        cls.seen.append((cls.inside_train, self.training, th.is_grad_enabled()))
        result: th.Tensor = self.net(observations)
        return result


def watch(model: Any, monkeypatch: pytest.MonkeyPatch) -> set[tuple[bool, bool, bool]]:
    """In which modes the extractor was used: inside train(), in training mode, with gradients."""
    train = model.train

    def watched() -> None:
        monkeypatch.setattr(WatchedExtractor, "inside_train", True)
        train()
        monkeypatch.setattr(WatchedExtractor, "inside_train", False)

    monkeypatch.setattr(WatchedExtractor, "seen", [], raising=False)
    monkeypatch.setattr(model, "train", watched)
    model.learn(2 * ROLLOUT)
    model.predict(model.get_env().reset())
    return set(WatchedExtractor.seen)


@each_class
def test_the_policy_is_in_training_mode_only_inside_train(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    policy_kwargs = {"features_extractor_class": WatchedExtractor}
    stock = make_model(stock_of(cls), policy_kwargs=policy_kwargs)
    assert watch(stock, monkeypatch) == {(False, False, False), (True, True, True)}
    model = make_model(cls, policy_kwargs=policy_kwargs, log_kl=True)
    # Beside the stock class: the passes that measure the divergence, in evaluation mode and without gradients.
    assert watch(model, monkeypatch) == {(False, False, False), (True, True, True), (True, False, False)}
    assert model.policy.training == stock.policy.training
    if cls.fixed_objective is None:
        assert same_weights(model, stock)


@each_class
def test_a_policy_and_an_extractor_of_ones_own(cls: Any, tmp_path: Path) -> None:
    base = stock_of(cls).policy_aliases[policy_name(cls)]
    own: Any = type("OwnPolicy", (base,), {"__module__": __name__})
    kwargs = {"features_extractor_class": Extractor, "features_extractor_kwargs": {"width": 6}}
    model = make_model(cls, policy=own, policy_kwargs=kwargs)
    assert type(model.policy) is own
    assert model.policy.features_dim == 6
    assert_finite(learn(model))
    loaded = cls.load(saved(model, tmp_path), device="cpu")
    assert same_weights(loaded, model)
    assert loaded.policy.features_dim == 6


@each_class
def test_optimizer_and_activation_of_ones_own(cls: Any) -> None:
    kwargs = {"optimizer_class": th.optim.SGD, "optimizer_kwargs": {"momentum": 0.9}, "activation_fn": th.nn.ReLU}
    model = make_model(cls, policy_kwargs=kwargs, learning_rate=1e-3)
    assert isinstance(model.policy.optimizer, th.optim.SGD)
    assert_finite(learn(model))
