"""The rollout of compile=True with LSTM policies keeps the contract of RecurrentPPO's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium.spaces import Box
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize

from sb3_ppo_variants import RecurrentVariantPPO
from sb3_ppo_variants.compiled import actor
from tests.compiled.conftest import Traces, needs_compiler
from tests.compiled.test_rollout import EndsTheTraining, Records, ShapesRewards, assert_alike
from tests.environments import SpacesEnv
from tests.models import SMALL

pytestmark = pytest.mark.filterwarnings("ignore:compile=True runs in eager mode the update")
KINDS: dict[str, tuple[dict[str, str], dict[str, Any], dict[str, Any]]] = {
    "box": ({}, {}, {}),
    "discrete": ({"action": "discrete"}, {}, {}),
    "multidiscrete": ({"action": "multidiscrete"}, {}, {}),
    "dict": ({"observation": "dict"}, {}, {}),
    "image": ({"observation": "image"}, {}, {}),
    "gsde": ({}, {}, {"use_sde": True, "sde_sample_freq": 4}),
    "two layers": ({}, {"n_lstm_layers": 2}, {}),
    "shared": ({}, {"shared_lstm": True, "enable_critic_lstm": False}, {}),
    "no LSTM of the critic": ({}, {"enable_critic_lstm": False}, {}),
    "no biases": ({}, {"lstm_kwargs": {"bias": False}}, {}),
}
POLICIES = {"dict": "MultiInputLstmPolicy", "image": "CnnLstmPolicy"}
ARRAYS = ("actions", "values", "log_probs", "rewards", "advantages", "hidden_states_pi", "cell_states_vf")


def environments(**spaces: str) -> VecEnv:
    return make_vec_env(SpacesEnv, n_envs=2, env_kwargs=spaces, seed=0)


def model(kind: str, compile: bool, env: VecEnv | None = None) -> Any:
    spaces, policy_kwargs, arguments = KINDS[kind]
    policy = POLICIES.get(spaces.get("observation", ""), "MlpLstmPolicy")
    kwargs = {"lstm_hidden_size": 8, "net_arch": [8], **policy_kwargs}
    own: dict[str, Any] = {**SMALL, **arguments, "policy_kwargs": kwargs, "compile": compile}
    return RecurrentVariantPPO(policy, env or environments(**spaces), **own)


def assert_same_rollouts(mine: Any, stock: Any) -> None:
    for name in ARRAYS:
        one, other = (getattr(trained.rollout_buffer, name) for trained in (mine, stock))
        assert (one.dtype, one.shape) == (other.dtype, other.shape), name
        assert np.allclose(one, other, rtol=1e-4, atol=1e-4), name


@pytest.mark.parametrize("kind", KINDS)
def test_the_buffer_is_that_of_recurrent_ppo(traces: Traces, kind: str) -> None:
    mine, stock = (model(kind, compile).learn(128) for compile in (True, False))
    assert_same_rollouts(mine, stock)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["discrete", "two layers"])
def test_the_buffer_in_native_code(kind: str) -> None:
    mine, stock = (model(kind, compile).learn(128) for compile in (True, False))
    assert_same_rollouts(mine, stock)


def test_the_warning_names_the_update_alone(traces: Traces, recwarn: pytest.WarningsRecorder) -> None:
    model("box", compile=True).learn(64)
    assert not [str(one.message) for one in recwarn if "runs in eager mode the rollout" in str(one.message)]


def test_callbacks_see_the_local_variables_of_recurrent_ppo(traces: Traces) -> None:
    seen = {}
    for compile in (False, True):
        callback = Records()
        model("discrete", compile).learn(128, callback=callback)
        seen[compile] = callback
    assert seen[True].order == seen[False].order
    assert {"obs_tensor", "episode_starts", "actions", "new_obs"} < seen[False].steps[0].keys()
    for mine, stock in zip(seen[True].steps, seen[False].steps, strict=True):
        for name, value in stock.items():
            assert_alike(mine[name], value, name)


@pytest.mark.parametrize("callback", [ShapesRewards, EndsTheTraining])
def test_callbacks_change_rewards_and_end_a_rollout(traces: Traces, callback: type[BaseCallback]) -> None:
    mine, stock = (
        model("box", compile, VecNormalize(environments())).learn(64, callback=callback()) for compile in (True, False)
    )
    assert mine.num_timesteps == stock.num_timesteps
    assert mine.rollout_buffer.pos == stock.rollout_buffer.pos
    assert np.allclose(mine.rollout_buffer.rewards, stock.rollout_buffer.rewards)
    for one, other in zip(mine._last_lstm_states.pi, stock._last_lstm_states.pi, strict=True):
        assert th.allclose(one, other, atol=1e-4)


class EverySecond(VecEnvWrapper):
    """Shows every second number of an observation: a copy after a reset, and a view of the others after a step."""

    def __init__(self, venv: VecEnv) -> None:
        shown = Box(-np.inf, np.inf, venv.reset()[:, ::2].shape[1:])  # type: ignore[call-overload,index]
        super().__init__(venv, observation_space=shown)

    def reset(self) -> Any:
        return self.venv.reset()[:, ::2].copy()  # type: ignore[call-overload,index]

    def step_wait(self) -> Any:
        observations, *others, infos = self.venv.step_wait()
        for info in infos:
            if "terminal_observation" in info:
                info["terminal_observation"] = info["terminal_observation"][::2]
        return observations[:, ::2], *others, infos  # type: ignore[call-overload,index]


class TracesOfContiguous(Traces):
    """Native code reads its inputs as if they were contiguous."""

    def __call__(self, function: Any, example: Any, roots: Any, fixed: int) -> Any:
        run, description = super().__call__(function, example, roots, fixed)

        def read(tensors: Any) -> Any:
            assert all(tensor.is_contiguous() for tensor in tensors[fixed:])
            return run(tensors)

        return read, description


def test_observations_are_read_as_they_lie_in_memory(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "native", TracesOfContiguous())
    mine, stock = (model("box", compile, EverySecond(environments())).learn(64) for compile in (True, False))
    assert_same_rollouts(mine, stock)


class GRU(th.nn.GRU):
    """A cell of a user with the interface of an LSTM."""

    def forward(self, features: Any, states: Any) -> Any:  # type: ignore[override]
        output, hidden = super().forward(features, states[0])
        return output, (hidden, states[1])


class GRUPolicy(RecurrentActorCriticPolicy):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lstm_actor = GRU(self.features_dim, self.lstm_output_dim)  # type: ignore[assignment]
        self.optimizer = self.optimizer_class(self.parameters(), **self.optimizer_kwargs)


def test_a_cell_of_a_user_runs_in_eager_mode(traces: Traces) -> None:
    arguments: dict[str, Any] = SMALL | {"policy_kwargs": {"lstm_hidden_size": 8, "net_arch": [8]}}
    with pytest.warns(UserWarning, match="eager mode the rollout: the policy has a GRU that is not a plain LSTM"):
        mine = RecurrentVariantPPO(GRUPolicy, environments(), compile=True, **arguments).learn(64)
    stock = RecurrentVariantPPO(GRUPolicy, environments(), **arguments).learn(64)
    assert_same_rollouts(mine, stock)
