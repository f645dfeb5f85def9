"""Networks and buffers that keep more than weights go on with it."""

from __future__ import annotations

from collections import defaultdict, deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ppo_variants import ResumeCallback, VariantPPO, resume_model
from sb3_ppo_variants.resume.buffers import buffer_state
from tests.environments import SpacesEnv
from tests.models import same_weights
from tests.resume.scenarios import PPO_SMALL, ROLLOUT, TOTAL, Stop


class Private(FlattenExtractor):
    """Counts its calls in a private number, a number of numpy, a list and a deque."""

    def __init__(self, observation_space: spaces.Box) -> None:
        super().__init__(observation_space)
        self._calls, self.of_numpy, self.listed, self.last = 0, np.int64(0), [0], deque([0.0], maxlen=1)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        self._calls += 1
        self.of_numpy += np.int64(1)
        self.listed[0] += 1
        self.last.append(self.last[0] + 1.0)
        calls = self._calls + float(self.of_numpy) + self.listed[0] + self.last[0]
        return super().forward(observations) * (1 + 1e-3 * calls)


class Caught(FlattenExtractor):
    """A hook that it registers itself writes into a dictionary that it holds too; a tensor is expanded."""

    def __init__(self, observation_space: spaces.Box) -> None:
        super().__init__(observation_space)
        seen: dict[str, th.Tensor] = {}
        self.flatten.register_forward_hook(lambda _, inputs, output: seen.update(last=output.detach()))
        self.seen, self.scale = seen, th.tensor(0.5).expand(observation_space.shape)
        self.of_others: Any = defaultdict(lambda: 0)  # which cannot be pickled
        self.itself: list[Any] = []
        self.itself.append(self.itself)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        features: th.Tensor = super().forward(observations)
        return features * self.scale + self.seen["last"].mean()


class Freezing(FlattenExtractor):
    """Stays in the mode that it is in once it is frozen."""

    def __init__(self, observation_space: spaces.Box) -> None:
        super().__init__(observation_space)
        self.dropout = th.nn.Dropout(0.5)
        self.frozen = False

    def train(self, mode: bool = True) -> Any:
        return self if self.frozen else super().train(mode)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        if not self.training:
            self.frozen = True
        dropped: th.Tensor = self.dropout(super().forward(observations))
        return dropped


class NotInTheStateDictionary(FlattenExtractor):
    mean: th.Tensor

    def __init__(self, observation_space: spaces.Box) -> None:
        super().__init__(observation_space)
        self.register_buffer("mean", th.zeros(observation_space.shape), persistent=False)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        self.mean.lerp_(observations.mean(0), 0.1)
        return super().forward(observations - self.mean)


class Views(FlattenExtractor):
    """The two attributes are views of the buffer."""

    moments: th.Tensor

    def __init__(self, observation_space: spaces.Box) -> None:
        super().__init__(observation_space)
        self.register_buffer("moments", th.zeros(2, *observation_space.shape))
        self.mean, self.square = self.moments

    def forward(self, observations: th.Tensor) -> th.Tensor:
        self.mean.lerp_(observations.mean(0), 0.1)
        self.square.lerp_(observations.square().mean(0), 0.1)
        return super().forward(observations - self.moments[0]) / (1 + self.moments[1].sum())


class Running(RolloutBuffer):
    """Divides rewards by a running scale."""

    scale = 1.0

    def compute_returns_and_advantage(self, last_values: th.Tensor, dones: np.ndarray) -> None:
        self.scale = 0.9 * self.scale + float(np.square(self.rewards).mean())
        self.rewards = self.rewards / np.float32(self.scale)
        super().compute_returns_and_advantage(last_values, dones)


class DropsOnce:
    """A learning rate with a memory."""

    def __init__(self) -> None:
        self.rate, self.dropped = 1e-2, False

    def __call__(self, progress: float) -> float:
        if progress < 0.4 and not self.dropped:
            self.rate, self.dropped = 1e-3, True
        return self.rate


class Lowers(BaseCallback):
    """Puts another learning rate in the place of that of the arguments, once and for good."""

    def _on_step(self) -> bool:
        if self.num_timesteps == ROLLOUT:
            self.model.lr_schedule = lambda _: 1e-5
        return True


def with_network(network: Any) -> dict[str, Any]:
    return {"policy_kwargs": {"net_arch": [8], "features_extractor_class": network}}


CASES: dict[str, dict[str, Any]] = {
    "attributes": with_network(Private),
    "buffer of a network": with_network(NotInTheStateDictionary),
    "views": with_network(Views),
    "dictionary of a hook": with_network(Caught),
    "mode": with_network(Freezing),
    "buffer of rollouts": {"rollout_buffer_class": Running},
    "learning rate": {},
}


@pytest.mark.filterwarnings("ignore:ResumeCallback. hooks of the policy's modules")
@pytest.mark.parametrize("cls", [PPO, VariantPPO])
@pytest.mark.parametrize("case", CASES)
def test_it_goes_on(case: str, cls: Any, tmp_path: Path) -> None:
    def make() -> Any:
        return cls("MlpPolicy", DummyVecEnv([SpacesEnv] * 2), **PPO_SMALL | CASES[case])

    whole = make().learn(4 * ROLLOUT, callback=[Lowers()])
    make().learn(2 * ROLLOUT, callback=[Lowers(), ResumeCallback(tmp_path / "run", every=np.int64(ROLLOUT))])
    resumed = resume_model(cls, tmp_path / "run")
    assert resumed.lr_schedule(0.5) == 1e-5
    resumed.learn(2 * ROLLOUT, reset_num_timesteps=False)
    assert same_weights(resumed, whole)


def test_a_learning_rate_with_a_memory(tmp_path: Path) -> None:
    def make() -> Any:
        return PPO("MlpPolicy", DummyVecEnv([SpacesEnv] * 2), **PPO_SMALL | {"learning_rate": DropsOnce()})

    whole = make().learn(TOTAL)
    make().learn(TOTAL, callback=[Stop(), ResumeCallback(tmp_path / "run", every=1)])
    resumed = resume_model(PPO, tmp_path / "run")
    resumed.learn(TOTAL - resumed.num_timesteps, reset_num_timesteps=False)
    assert same_weights(resumed, whole)


def test_large_columns_and_the_rollout_are_left_out() -> None:
    space = spaces.Box(-1, 1, (4,), np.float32)
    buffer = Running(8, space, spaces.Discrete(2), "cpu", n_envs=2)
    buffer.scale, frames, means = 3.0, th.zeros(8, 2, 2**20), np.zeros(8)
    vars(buffer).update(frames=frames, means=means)
    assert buffer_state(buffer).keys() == {"scale", "means"}
    assert buffer_state(RolloutBuffer(8, space, spaces.Discrete(2), "cpu")) == {}


def test_a_view_stays_one(tmp_path: Path) -> None:
    model: Any = PPO("MlpPolicy", SpacesEnv(), **PPO_SMALL | with_network(Views))
    model.learn(ROLLOUT, callback=ResumeCallback(tmp_path / "run"))
    network: Any = resume_model(PPO, tmp_path / "run").policy.features_extractor
    assert network.mean.data_ptr() == network.moments.data_ptr()
    assert th.equal(network.mean, model.policy.features_extractor.moments[0])
