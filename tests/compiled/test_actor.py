"""Acting in native code: the actions of eager mode, drawn from the same generator."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import pytest
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from sb3_ppo_variants import MaskableVariantPPO, RecurrentVariantPPO, VariantPPO
from sb3_ppo_variants.compiled.unsupported import Unsupported
from tests.compiled.conftest import Traces, needs_compiler
from tests.compiled.policies import ChangesABuffer, assert_alike, learn
from tests.environments import SpacesEnv
from tests.models import SMALL

LSTM = {"policy_kwargs": {"lstm_hidden_size": 8, "net_arch": [8]}}
HOSTS: dict[str, tuple[Any, str, dict[str, str], dict[str, Any]]] = {
    "box": (VariantPPO, "MlpPolicy", {}, {}),
    "gsde": (VariantPPO, "MlpPolicy", {}, {"use_sde": True, "sde_sample_freq": 4}),
    "squashed": (VariantPPO, "MlpPolicy", {}, {"use_sde": True, "policy_kwargs": {"squash_output": True}}),
    "binned": (VariantPPO, "BinnedMlpPolicy", {}, {"policy_kwargs": {"ordinal": True, "residual_actor": True}}),
    "discrete": (VariantPPO, "MlpPolicy", {"action": "discrete"}, {}),
    "multidiscrete": (VariantPPO, "MlpPolicy", {"action": "multidiscrete"}, {}),
    "multibinary": (VariantPPO, "MlpPolicy", {"action": "multibinary"}, {}),
    "dict": (VariantPPO, "MultiInputPolicy", {"observation": "dict"}, {}),
    "image": (VariantPPO, "CnnPolicy", {"observation": "image"}, {}),
    "masked": (MaskableVariantPPO, "MlpPolicy", {"action": "multidiscrete"}, {}),
    "recurrent": (RecurrentVariantPPO, "MlpLstmPolicy", {}, LSTM),
}
pytestmark = pytest.mark.filterwarnings("ignore:compile=True runs in eager mode the update")


def rollouts(host: str, compile: bool | str, updates: int = 2) -> Any:
    """A model after some rollouts; its buffer holds the last."""
    cls, policy, spaces, own = HOSTS[host]
    env = make_vec_env(SpacesEnv, n_envs=2, env_kwargs=spaces, seed=0)
    return cls(policy, env, compile=compile, **(SMALL | own)).learn(64 * updates)


def assert_same_rollout(compiled: Any, eager: Any) -> None:
    for name in ("actions", "values", "log_probs", "rewards", "advantages"):
        mine, theirs = getattr(compiled.rollout_buffer, name), getattr(eager.rollout_buffer, name)
        assert np.allclose(mine, theirs, rtol=1e-4, atol=1e-4), name


@pytest.mark.parametrize("host", HOSTS)
def test_the_same_rollouts(traces: Traces, host: str) -> None:
    compile = True if host == "recurrent" else "strict"  # its updates run in eager mode
    assert_same_rollout(rollouts(host, compile), rollouts(host, compile=False))


@needs_compiler
@pytest.mark.parametrize("host", ["box", *(pytest.param(name, marks=pytest.mark.slow) for name in HOSTS)])
def test_the_same_rollouts_in_native_code(host: str) -> None:
    compile = True if host == "recurrent" else "strict"
    assert_same_rollout(rollouts(host, compile, updates=1), rollouts(host, compile=False, updates=1))


def test_the_policy_is_its_own_again_after_the_rollout(traces: Traces) -> None:
    model = rollouts("box", "strict")
    assert "forward" not in vars(model.policy)
    observation = model.env.reset()
    action, _ = model.predict(observation, deterministic=True)
    assert action.shape == (2, 3)


class CopiesThePolicy(BaseCallback):
    """Copies the policy in the middle of a rollout."""

    def _on_step(self) -> bool:
        for copied in (copy.deepcopy(self.model.policy), cloudpickle.loads(cloudpickle.dumps(self.model.policy))):
            observation = th.as_tensor(self.model._last_obs)
            with th.random.fork_rng(), th.no_grad():
                theirs = self.model.policy(observation)
            with th.random.fork_rng():
                mine = copied(observation)
            assert all(th.allclose(one, other, atol=1e-5) for one, other in zip(mine, theirs, strict=True))
            assert type(copied.forward).__name__ == "method"
        return self.num_timesteps < 6


def test_a_callback_may_copy_the_policy(traces: Traces) -> None:
    VariantPPO("MlpPolicy", SpacesEnv(), compile="strict", **SMALL).learn(32, callback=CopiesThePolicy())


class AsksForTheMode(BaseCallback):
    """Calls the policy in the middle of a rollout, with an argument that is no tensor."""

    def _on_step(self) -> bool:
        observation = np.asarray(self.model._last_obs)
        actions, _, _ = self.model.policy(th.as_tensor(observation), deterministic=True)
        expected, _ = self.model.predict(observation, deterministic=True)
        assert np.allclose(actions.detach().numpy(), expected, atol=1e-5)
        return True


def test_a_callback_may_call_the_policy(traces: Traces) -> None:
    VariantPPO("MlpPolicy", SpacesEnv(), compile="strict", **SMALL).learn(32, callback=AsksForTheMode())


def test_new_weights_are_used(traces: Traces) -> None:
    """One graph for all rollouts, with the weights of each."""
    model = rollouts("box", "strict", updates=1)
    with th.no_grad():
        model.policy.value_net.bias.fill_(100.0)
    model.collect_rollouts(model.env, model._init_callback(None), model.rollout_buffer, model.n_steps)
    assert model.rollout_buffer.values.min() > 50.0


class Looks(th.nn.Tanh):
    """An activation that native code cannot have: it looks at its numbers."""

    def forward(self, input: th.Tensor) -> th.Tensor:
        return super().forward(input) if input.sum() > -1e9 else input


def test_a_policy_that_looks_at_its_numbers_acts_in_eager_mode(traces: Traces) -> None:
    arguments: dict[str, Any] = SMALL | {"policy_kwargs": {"activation_fn": Looks}}
    with pytest.warns(UserWarning, match="compile=True runs in eager mode the rollout"):
        compiled = VariantPPO("MlpPolicy", SpacesEnv(), compile=True, **arguments).learn(64)
    assert_same_rollout(compiled, VariantPPO("MlpPolicy", SpacesEnv(), **arguments).learn(64))
    with pytest.raises(Unsupported, match="it branches on the numbers"):
        VariantPPO("MlpPolicy", SpacesEnv(), compile="strict", **arguments).learn(64)


class Counts(th.nn.Tanh):
    """An activation that reads a tensor which is neither a parameter nor a buffer."""

    scale = th.ones(64)

    def forward(self, input: th.Tensor) -> th.Tensor:
        return super().forward(input) * self.scale


def test_a_policy_that_reads_a_tensor_of_its_own_acts_in_eager_mode() -> None:
    arguments: dict[str, Any] = SMALL | {"policy_kwargs": {"activation_fn": Counts}}
    with pytest.warns(UserWarning, match=r"the rollout: a tensor of shape \(64,\) is read that is neither"):
        compiled = VariantPPO("MlpPolicy", SpacesEnv(), compile=True, **arguments).learn(64)
    assert_same_rollout(compiled, VariantPPO("MlpPolicy", SpacesEnv(), **arguments).learn(64))


def test_a_bad_observation_is_named_too(traces: Traces) -> None:
    model = rollouts("discrete", "strict")
    model._last_obs[0, 0] = np.nan
    with pytest.raises(FloatingPointError, match="observation"):
        model.learn(64, reset_num_timesteps=False)


def test_a_bad_observation_is_named_where_no_check_falls(traces: Traces) -> None:
    """Native code has none of torch's checks of probabilities; the values that it gives are looked at."""
    model = rollouts("discrete", "strict")

    class Spoils(BaseCallback):
        def _on_step(self) -> bool:
            if self.n_calls == 3:
                self.locals["new_obs"][1, 0] = np.nan
            return True

    message = "values of the rollout: nan at step 3 of environment 1, whose observation is not finite"
    with pytest.raises(FloatingPointError, match=message):
        model.learn(64, reset_num_timesteps=False, callback=Spoils())


@needs_compiler
@pytest.mark.processes
@pytest.mark.slow
def test_later_processes_compile_nothing(tmp_path: Path) -> None:
    """What the first process left is all that the second one needs."""
    script = "from tests.compiled.test_actor import rollouts; rollouts('box', 'strict', updates=1)"
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", script], env=environment, check=True)
        assert len(list((tmp_path / "sb3_ppo_variants").glob("*.pt2"))) == 2


def test_a_checked_step_changes_buffers_once(traces: Traces) -> None:
    """The step is taken in eager mode and in native code, and each counted."""
    compiled, eager = (learn(compile, ChangesABuffer, updates=4) for compile in ("strict", False))
    assert_alike(compiled, eager)
    # One in each step of a rollout, one for the values after it, and one in each minibatch.
    assert int(compiled.policy.features_extractor.calls) == int(eager.policy.features_extractor.calls)
