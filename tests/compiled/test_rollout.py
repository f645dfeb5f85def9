"""The rollout of compile=True keeps the contract of SB3's: what callbacks see, change and end."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor, VecNormalize

from sb3_ppo_variants import MaskableVariantPPO, VariantPPO
from sb3_ppo_variants.compiled.unsupported import Unsupported
from tests.compiled.conftest import Traces
from tests.environments import SpacesEnv
from tests.models import SMALL

pytestmark = pytest.mark.filterwarnings("ignore:compile=True runs in eager mode the update")
ARRAYS = ("observations", "actions", "rewards", "episode_starts", "values", "log_probs", "advantages", "returns")


def environments(**spaces: str) -> VecEnv:
    return make_vec_env(SpacesEnv, n_envs=2, env_kwargs=spaces, seed=0)


class Records(BaseCallback):
    """Copies the local variables of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[dict[str, Any]] = []
        self.order: list[str] = []

    def _copy(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in self.locals.items():
            if name in ("self", "env", "callback", "rollout_buffer"):
                found[name] = type(value).__name__
            elif isinstance(value, np.ndarray | th.Tensor | int | dict | list):
                found[name] = copy.deepcopy(value)
        return found

    def _on_rollout_start(self) -> None:
        self.order.append("start")

    def _on_step(self) -> bool:
        self.order.append("step")
        self.steps.append(self._copy())
        return True

    def _on_rollout_end(self) -> None:
        self.order.append("end")
        if not isinstance(self.model, MaskablePPO):  # whose loop shows nothing new at its end
            self.steps.append(self._copy())


def assert_alike(mine: Any, stock: Any, name: str) -> None:
    if isinstance(stock, dict):
        for key in stock.keys() - {"t"}:  # the time that Monitor writes
            assert_alike(mine[key], stock[key], f"{name}[{key!r}]")
    elif isinstance(stock, list):
        for index, (one, other) in enumerate(zip(mine, stock, strict=True)):
            assert_alike(one, other, f"{name}[{index}]")
    elif isinstance(stock, np.ndarray | th.Tensor):
        assert type(mine) is type(stock), name
        assert (mine.dtype, mine.shape) == (stock.dtype, stock.shape), name
        assert np.allclose(mine, stock, rtol=1e-4, atol=1e-4), name
    else:
        assert mine == stock, name


@pytest.mark.parametrize(
    ("cls", "spaces"),
    [
        (VariantPPO, {}),
        (VariantPPO, {"action": "discrete", "observation": "dict"}),
        (MaskableVariantPPO, {"action": "multidiscrete"}),
    ],
)
def test_callbacks_see_the_local_variables_of_sb3(traces: Traces, cls: Any, spaces: dict[str, str]) -> None:
    policy = "MultiInputPolicy" if "observation" in spaces else "MlpPolicy"
    seen = {}
    for compile in (False, "strict"):
        callback = Records()
        cls(policy, environments(**spaces), compile=compile, **SMALL).learn(128, callback=callback)
        seen[compile] = callback
    assert seen["strict"].order == seen[False].order
    names = {"obs_tensor", "actions", "values", "log_probs", "new_obs", "rewards", "dones", "infos", "n_steps"}
    assert names < seen[False].steps[0].keys()
    for step, (mine, stock) in enumerate(zip(seen["strict"].steps, seen[False].steps, strict=True)):
        for name, value in stock.items():
            if name != "act":
                assert_alike(mine[name], value, f"{name} at call {step}")


class ShapesRewards(BaseCallback):
    """Adds to the rewards in place, as users do."""

    def _on_step(self) -> bool:
        self.locals["rewards"] += 10.0
        return True


class EndsTheTraining(BaseCallback):
    def _on_step(self) -> bool:
        return self.num_timesteps < 10


@pytest.mark.parametrize("wrap", [lambda env: env, VecNormalize, VecMonitor])
@pytest.mark.parametrize("callback", [ShapesRewards, EndsTheTraining])
def test_the_buffer_and_the_environments_are_those_of_sb3(
    traces: Traces, wrap: Callable[[VecEnv], VecEnv], callback: type[BaseCallback]
) -> None:
    models: list[Any] = []
    for compile in (False, "strict"):
        env = wrap(environments())
        model = VariantPPO("MlpPolicy", env, compile=compile, gamma=0.9, **SMALL)
        models.append(model.learn(64, callback=callback()))
    stock, mine = models
    assert mine.num_timesteps == stock.num_timesteps
    assert mine.rollout_buffer.pos == stock.rollout_buffer.pos
    assert mine.rollout_buffer.full == stock.rollout_buffer.full
    for name in ARRAYS:
        # The step at which a rollout is ended is not one of it.
        one, other = (getattr(model.rollout_buffer, name)[: stock.rollout_buffer.pos] for model in (mine, stock))
        assert (one.dtype, one.shape) == (other.dtype, other.shape), name
        assert np.allclose(one, other, rtol=1e-4, atol=1e-4), name
    assert [episode["r"] for episode in mine.ep_info_buffer or ()] == pytest.approx(
        [episode["r"] for episode in stock.ep_info_buffer or ()]
    )
    inner = mine.get_env().unwrapped
    assert type(inner) is DummyVecEnv
    assert vars(inner).keys() == vars(stock.get_env().unwrapped).keys()


class Halves(RolloutBuffer):
    """Keeps half of each reward, and half of each advantage."""

    def add(self, obs: Any, action: Any, reward: Any, *rest: Any) -> None:
        super().add(obs, action, reward / 2, *rest)

    def compute_returns_and_advantage(self, last_values: Any, dones: Any) -> None:
        super().compute_returns_and_advantage(last_values, dones)
        self.advantages /= 2


def test_a_buffer_of_the_user_keeps_its_methods(traces: Traces) -> None:
    buffers = [
        VariantPPO("MlpPolicy", environments(), compile=compile, rollout_buffer_class=buffer, **SMALL)
        .learn(64)
        .rollout_buffer
        for compile, buffer in ((True, Halves), (False, Halves), (False, RolloutBuffer))
    ]
    assert np.allclose(buffers[0].rewards, buffers[2].rewards / 2)
    assert np.allclose(buffers[0].advantages, buffers[1].advantages, atol=1e-5)


class Doubles(PPO):
    """A stock class with a loop of its own."""

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> bool:
        whole: bool = super().collect_rollouts(*args, **kwargs)
        self.rollout_buffer.rewards *= 2
        return whole


class OnTopOfDoubles(VariantPPO, Doubles):
    pass


def test_a_loop_of_the_user_is_not_passed_by(traces: Traces) -> None:
    model = OnTopOfDoubles("MlpPolicy", environments(), compile=True, **SMALL)
    with pytest.warns(UserWarning, match=r"the rollout: Doubles.collect_rollouts is that of none of PPO, Maskable"):
        model.learn(64)
    stock = VariantPPO("MlpPolicy", environments(), **SMALL).learn(64)
    assert np.array_equal(model.rollout_buffer.rewards, stock.rollout_buffer.rewards * 2)


class Asks(ActorCriticPolicy):
    """A policy that does more when it is called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs)


def test_a_wrapper_around_the_stock_loop_is_not_passed_by(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    """As packages that log put them there."""
    calls = []

    @functools.wraps(PPO.collect_rollouts)
    def counted(*args: Any, **kwargs: Any) -> bool:
        calls.append("loop")
        return collect(*args, **kwargs)

    @functools.wraps(RolloutBuffer.add)
    def counted_add(*args: Any, **kwargs: Any) -> None:
        calls.append("add")
        add(*args, **kwargs)

    collect, add = PPO.collect_rollouts, RolloutBuffer.add
    monkeypatch.setattr(RolloutBuffer, "add", counted_add)
    VariantPPO("MlpPolicy", environments(), compile=True, **SMALL).learn(64)
    assert calls == ["add"] * 32
    monkeypatch.setattr(PPO, "collect_rollouts", counted)
    with pytest.warns(UserWarning, match="collect_rollouts is that of none of PPO"):
        VariantPPO("MlpPolicy", environments(), compile=True, **SMALL).learn(64)
    assert calls[32] == "loop"


class Resets(BaseCallback):
    """Empties the buffer, which then has other arrays."""

    def _on_rollout_start(self) -> None:
        self.model.rollout_buffer.reset()  # type: ignore[attr-defined]

    def _on_step(self) -> bool:
        if self.n_calls == 3:
            self.model.rollout_buffer.reset()  # type: ignore[attr-defined]
        return self.n_calls < 20


class Packed(RolloutBuffer):
    """Keeps its observations under another name."""

    def reset(self) -> None:
        super().reset()
        self.packed = self.__dict__.pop("observations").astype(np.float16)

    def add(self, obs: Any, *rest: Any) -> None:
        self.observations = self.packed
        super().add(obs, *rest)
        del self.observations

    def get(self, batch_size: int | None = None) -> Any:
        if not self.generator_ready:
            self.observations = self.packed.astype(np.float32)
        yield from super().get(batch_size)


class Squeezed(ActorCriticPolicy):
    """Gives values of another shape, which the buffer flattens."""

    def forward(self, obs: Any, deterministic: bool = False) -> Any:
        actions, values, log_probs = super().forward(obs, deterministic)
        return actions, values.flatten(), log_probs


@pytest.mark.filterwarnings("ignore:compile=True runs in eager mode")
@pytest.mark.parametrize(
    ("policy", "arguments", "callback"),
    [("MlpPolicy", {}, Resets), ("MlpPolicy", {"rollout_buffer_class": Packed}, None), (Squeezed, {}, None)],
    ids=["buffer that is reset", "buffer of its own", "shapes of its own"],
)
def test_what_sb3_takes_is_taken(traces: Traces, policy: Any, arguments: dict[str, Any], callback: Any) -> None:
    mine, stock = (
        VariantPPO(policy, environments(), compile=compile, **arguments, **SMALL).learn(
            64, callback=callback and callback()
        )
        for compile in (True, False)
    )
    for name in ("actions", "values", "log_probs", "rewards"):
        one, other = (getattr(model.rollout_buffer, name)[: stock.rollout_buffer.pos] for model in (mine, stock))
        assert np.any(one != 0), name
        assert np.allclose(one, other, rtol=1e-4, atol=1e-4), name


def test_a_policy_with_a_call_of_its_own_acts_in_eager_mode(traces: Traces) -> None:
    with pytest.raises(Unsupported, match="taken the place of the policy's forward"):
        VariantPPO(Asks, environments(), compile="strict", **SMALL).learn(64)


def test_masks_are_asked_for_only_where_they_are_used(traces: Traces) -> None:
    env = make_vec_env(lambda: gym.make("CartPole-v1"), n_envs=2, seed=0)
    model = MaskableVariantPPO("MlpPolicy", env, compile="strict", **SMALL)
    with pytest.raises(ValueError, match="action mask"):
        model.learn(64)
    seen = []

    def see(names: dict[str, Any], _: Any) -> bool:
        seen.append(names["action_masks"])
        return True

    model.learn(64, use_masking=False, callback=see)
    assert seen == [None] * 32
