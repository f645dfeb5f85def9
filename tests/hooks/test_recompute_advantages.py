"""Advantages from another critic, worked by hand: rewards of 1, episodes of two steps."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.env_util import make_vec_env

from sb3_ppo_variants import MaskableRecurrentVariantPPO, RecurrentVariantPPO, UpdateHook, VariantPPO

HOSTS: list[tuple[Any, str]] = [
    (VariantPPO, "MlpPolicy"),
    (RecurrentVariantPPO, "MlpLstmPolicy"),
    (MaskableRecurrentVariantPPO, "MlpLstmPolicy"),
]


class TwoSteps(gym.Env[Any, Any]):
    """A reward of 1 for each of two steps; the end is a time limit, or not."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, cut_off: bool) -> None:
        self.cut_off = cut_off
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        over = self.steps == 2
        return np.zeros(1, dtype=np.float32), 1.0, over and not self.cut_off, over and self.cut_off, {}

    def action_masks(self) -> np.ndarray:
        return np.ones(2, dtype=bool)


def value_everywhere(model: Any, value: float) -> None:
    th.nn.init.zeros_(model.policy.value_net.weight)
    th.nn.init.constant_(model.policy.value_net.bias, value)


class Changes(UpdateHook):
    """Makes the critic say 3 everywhere, and keeps what the buffer holds in each epoch."""

    def __init__(self) -> None:
        self.seen: list[tuple[list[float], list[float]]] = []

    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        buffer = model.rollout_buffer
        self.seen.append((buffer.advantages.flatten().tolist(), buffer.returns.flatten().tolist()))
        value_everywhere(model, 3.0)


def seen(cls: Any, policy: str, cut_off: bool, steps: int, **extra: Any) -> tuple[Any, Changes]:
    changes = Changes()
    model = cls(
        policy,
        make_vec_env(lambda: TwoSteps(cut_off), n_envs=2),
        n_steps=steps,
        batch_size=2 * steps,
        n_epochs=2,
        gamma=0.5,
        gae_lambda=1.0,
        learning_rate=0.0,
        recompute_advantages=True,
        hooks=[changes],
        seed=0,
        device="cpu",
        **extra,
    )
    value_everywhere(model, 1.0)
    model.learn(2 * steps)
    return model, changes


@pytest.mark.parametrize(("cls", "policy"), HOSTS)
@pytest.mark.parametrize("cut_off", [True, False])
def test_a_critic_that_says_3_in_place_of_1(cls: Any, policy: str, cut_off: bool) -> None:
    model, changes = seen(cls, policy, cut_off, steps=3)
    # Three steps: a whole episode and the first step of the next, of which the value counts on.
    # With V = 1 and a time limit: 1 + 0.5 - 1 = 0.5 and 0.5 + 0.5 * 0.5 = 0.75; the last step 1 + 0.5 - 1 = 0.5.
    # With V = 3: 1 + 1.5 - 3 = -0.5 and -0.5 + 0.5 * -0.5 = -0.75; the last step -0.5.
    # Where the episode ends for good: 1 - 1 = 0 and 0.5; 1 - 3 = -2 and 1 + 1.5 - 3 + 0.5 * -2 = -1.5.
    before, after = ([0.75, 0.5, 0.5], [-0.75, -0.5, -0.5]) if cut_off else ([0.5, 0.0, 0.5], [-1.5, -2.0, -0.5])
    advantages, returns = changes.seen[0]
    assert advantages == pytest.approx(before * 2, abs=1e-6)
    assert returns == pytest.approx([advantage + 1.0 for advantage in before] * 2, abs=1e-6)
    advantages, returns = changes.seen[1]
    assert advantages == pytest.approx(after * 2, abs=1e-6)
    assert returns == pytest.approx([advantage + 3.0 for advantage in after] * 2, abs=1e-6)
    # SB3's own again at the end, and the values of the rollout.
    assert model.rollout_buffer.advantages.flatten().tolist() == pytest.approx(before * 2, abs=1e-6)
    assert model.rollout_buffer.values.flatten().tolist() == [1.0] * 6


@pytest.mark.parametrize(("cls", "policy"), HOSTS)
def test_a_time_limit_at_the_last_step_of_the_rollout(cls: Any, policy: str) -> None:
    _, changes = seen(cls, policy, cut_off=True, steps=2)
    assert changes.seen[1][0] == pytest.approx([-0.75, -0.5] * 2, abs=1e-6)


def test_a_buffer_that_cannot_be_read_in_order_is_refused() -> None:
    class OwnBuffer(RolloutBuffer):
        _get_samples = property()

    with pytest.raises(ValueError, match="recompute_advantages=True: rollout_buffer_class=OwnBuffer has no _get_sampl"):
        VariantPPO("MlpPolicy", TwoSteps(True), recompute_advantages=True, rollout_buffer_class=OwnBuffer)


def test_only_true_and_false() -> None:
    with pytest.raises(ValueError, match="recompute_advantages=1 is not known"):
        VariantPPO("MlpPolicy", TwoSteps(True), recompute_advantages=1)


class ByStep(RolloutBuffer):
    """Fills its returns step by step, and keeps the shapes of its arrays."""

    shapes: ClassVar[list[dict[str, Any]]] = []

    def compute_returns_and_advantage(self, last_values: th.Tensor, dones: np.ndarray) -> None:
        super().compute_returns_and_advantage(last_values, dones)
        self.shapes.append({name: value.shape for name, value in vars(self).items() if isinstance(value, np.ndarray)})
        self.actions_of_call = self.actions[..., 0].copy()
        for step in range(self.buffer_size):
            self.returns[step] = self.rewards[step]


def test_a_buffer_sees_its_arrays_as_it_filled_them() -> None:
    """The second call of an update comes after the minibatches have flattened them."""
    actions: list[np.ndarray] = []

    class Keeps(UpdateHook):
        def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
            actions.append(model.rollout_buffer.actions_of_call)

    ByStep.shapes.clear()
    env = make_vec_env(lambda: TwoSteps(False), n_envs=2)
    arguments: dict[str, Any] = {"n_steps": 8, "batch_size": 8, "n_epochs": 2, "seed": 0}
    VariantPPO(
        "MlpPolicy", env, rollout_buffer_class=ByStep, recompute_advantages=True, hooks=[Keeps()], **arguments
    ).learn(16)
    first, second = ByStep.shapes
    assert first["log_probs"] == (8, 2)
    assert {name: second[name] for name in first} == first
    assert actions[0].shape == (8, 2)
    np.testing.assert_equal(actions[1], actions[0])
