"""Features extractors whose forward pass depends on more than weights and inputs, and models with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from sb3_ppo_variants import VariantPPO
from tests.environments import SpacesEnv
from tests.models import SMALL

SCALE = 1.0


class Extractor(BaseFeaturesExtractor):
    """One layer, and what a subclass does with it."""

    def __init__(self, observation_space: gym.spaces.Box) -> None:
        super().__init__(observation_space, features_dim=8)
        self.layer = th.nn.Linear(observation_space.shape[0], 8)
        self.prepare()

    def prepare(self) -> None:
        pass

    def change(self, features: th.Tensor) -> th.Tensor:
        return features

    def forward(self, observations: th.Tensor) -> th.Tensor:
        return self.change(self.layer(observations).tanh())


class Drops(Extractor):
    def prepare(self) -> None:
        self.dropout = th.nn.Dropout(0.1)

    def change(self, features: th.Tensor) -> th.Tensor:
        dropped: th.Tensor = self.dropout(features)
        return dropped


class Scales(Extractor):
    def prepare(self) -> None:
        self.scale = 1.0

    def change(self, features: th.Tensor) -> th.Tensor:
        return features * self.scale


class ReadsAGlobalName(Extractor):
    def change(self, features: th.Tensor) -> th.Tensor:
        return features * SCALE


class Counts(Extractor):
    def prepare(self) -> None:
        self.calls = 0

    def change(self, features: th.Tensor) -> th.Tensor:
        self.calls += 1
        return features * (1 + self.calls % 3)


class AssignsABuffer(Extractor):
    mean: th.Tensor

    def prepare(self) -> None:
        self.register_buffer("mean", th.zeros(8))

    def change(self, features: th.Tensor) -> th.Tensor:
        self.mean = 0.9 * self.mean + 0.1 * features.mean(0).detach()
        return features - self.mean


class ChangesABuffer(Extractor):
    """A running mean, and the number of calls, changed in place."""

    mean: th.Tensor
    calls: th.Tensor

    def prepare(self) -> None:
        self.register_buffer("mean", th.zeros(8))
        self.register_buffer("calls", th.zeros((), dtype=th.long))

    def change(self, features: th.Tensor) -> th.Tensor:
        self.calls.add_(1)
        self.mean.mul_(0.9).add_(0.1 * features.mean(0).detach())
        return features - self.mean


class DrawsFromNumpy(Extractor):
    def change(self, features: th.Tensor) -> th.Tensor:
        return features * float(np.random.rand())


class KeepsATensor(Extractor):
    def change(self, features: th.Tensor) -> th.Tensor:
        self.last = features.detach()
        return features


class Recurs(Extractor):
    """Its features come from an LSTM."""

    def prepare(self) -> None:
        self.lstm = th.nn.LSTM(8, 8)

    def change(self, features: th.Tensor) -> th.Tensor:
        outputs: th.Tensor = self.lstm(features.unsqueeze(0))[0]
        return outputs.squeeze(0)


class AfterRollout(BaseCallback):
    """Calls a function with the model and the number of the rollout, counted from 1."""

    def __init__(self, change: Callable[[Any, int], None]) -> None:
        super().__init__()
        self.change, self.rollouts = change, 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self.rollouts += 1
        self.change(self.model, self.rollouts)


def learn(
    compile: bool | str,
    extractor: type[Extractor] = Extractor,
    change: Callable[[Any, int], None] | None = None,
    updates: int = 3,
    **arguments: Any,
) -> Any:
    policy_kwargs = {"features_extractor_class": extractor, "net_arch": [8]}
    model = VariantPPO(
        "MlpPolicy", SpacesEnv(), compile=compile, policy_kwargs=policy_kwargs, learning_rate=0.003, **SMALL | arguments
    )
    return model.learn(32 * updates, callback=None if change is None else AfterRollout(change))


def assert_alike(one: Any, other: Any) -> None:
    """The same weights and buffers within rounding."""
    mine, theirs = one.policy.state_dict(), other.policy.state_dict()
    assert mine.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert th.allclose(mine[name], tensor, rtol=1e-4, atol=2e-5), name
