"""The rollout of compile=True with LSTM policies and action masks keeps the contract of MaskableRecurrentPPO's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from sb3_ppo_variants import MaskableRecurrentVariantPPO
from tests.compiled.conftest import Traces, needs_compiler
from tests.compiled.test_recurrent_rollout import assert_same_rollouts
from tests.compiled.test_rollout import EndsTheTraining
from tests.environments import SpacesEnv
from tests.models import SMALL
from tests.slow import slow_where

pytestmark = pytest.mark.filterwarnings("ignore:compile=True runs in eager mode the update")
POLICIES = {"vector": "MlpLstmPolicy", "dict": "MultiInputLstmPolicy"}
KINDS = [("discrete", "vector"), ("multidiscrete", "vector"), ("multibinary", "vector"), ("discrete", "dict")]
each_kind = pytest.mark.parametrize(("action", "observation"), KINDS)
masked_or_not = pytest.mark.parametrize("use_masking", slow_where(lambda masked: not masked, [True, False]))


def environments(action: str, observation: str = "vector") -> VecEnv:
    return make_vec_env(SpacesEnv, n_envs=2, env_kwargs={"action": action, "observation": observation}, seed=0)


def model(compile: bool, action: str, observation: str = "vector", env: VecEnv | None = None) -> Any:
    arguments: dict[str, Any] = SMALL | {"policy_kwargs": {"lstm_hidden_size": 8, "net_arch": [8]}}
    env = env or environments(action, observation)
    return MaskableRecurrentVariantPPO(POLICIES[observation], env, compile=compile, **arguments)


class Asked(BaseCallback):
    """Keeps the masks of each step, and where the model is called in the middle of one."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: list[Any] = []

    def _on_step(self) -> bool:
        masks = self.model.rollout_buffer.masks_of_step  # type: ignore[attr-defined]
        self.masks.append(None if masks is None else masks.copy())
        self.model.predict(self.locals["new_obs"])
        return True


@masked_or_not
@each_kind
def test_buffer_and_masks_are_those_of_eager_mode(
    traces: Traces, recwarn: pytest.WarningsRecorder, action: str, observation: str, use_masking: bool
) -> None:
    callbacks = Asked(), Asked()
    mine, stock = (
        model(compile, action, observation).learn(192, callback=callback, use_masking=use_masking)
        for compile, callback in zip((True, False), callbacks, strict=True)
    )
    assert not [str(one.message) for one in recwarn if "runs in eager mode the rollout" in str(one.message)]
    assert_same_rollouts(mine, stock)
    for buffer in (mine.rollout_buffer, stock.rollout_buffer):
        assert buffer.has_masks == use_masking
        assert buffer.masks_of_step is None
    assert (mine.rollout_buffer.action_masks == stock.rollout_buffer.action_masks).all()
    assert mine.rollout_buffer.action_masks.all() == (not use_masking)
    seen = [callback.masks for callback in callbacks]
    assert len(seen[0]) == len(seen[1]) == 96
    assert all(np.array_equal(one, other) for one, other in zip(*seen, strict=True))


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("action", ["discrete", "multidiscrete"])
def test_the_buffer_in_native_code(action: str) -> None:
    mine, stock = (model(compile, action).learn(128) for compile in (True, False))
    assert_same_rollouts(mine, stock)
    assert (mine.rollout_buffer.action_masks == stock.rollout_buffer.action_masks).all()


def test_masks_may_come_and_go(traces: Traces, recwarn: pytest.WarningsRecorder) -> None:
    mine, stock = (model(compile, "discrete").learn(64, use_masking=True) for compile in (True, False))
    for use_masking in (False, True):
        for trained in (mine, stock):
            trained.set_random_seed(0)
            trained.learn(64, use_masking=use_masking)
        assert_same_rollouts(mine, stock)
    assert not [str(one.message) for one in recwarn if "runs in eager mode the rollout" in str(one.message)]


def test_a_callback_ends_a_rollout(traces: Traces) -> None:
    mine, stock = (model(compile, "discrete").learn(64, callback=EndsTheTraining()) for compile in (True, False))
    assert mine.num_timesteps == stock.num_timesteps == 10
    assert mine.rollout_buffer.pos == stock.rollout_buffer.pos


def test_environments_without_masks_are_refused(traces: Traces) -> None:
    trained = model(True, "discrete", env=make_vec_env("CartPole-v1"))
    with pytest.raises(ValueError, match="the environment has no action masks"):
        trained.learn(32)
    assert trained.learn(32, use_masking=False).num_timesteps == 32
