"""RecurrentPPO with action masks, which sb3-contrib does not have: its RecurrentPPO around a policy and a buffer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import MaybeCallback
from stable_baselines3.common.vec_env import VecEnv
from typing_extensions import Self

from sb3_ppo_variants.maskable_lstm.buffers import (
    MaskableRecurrentDictRolloutBuffer,
    MaskableRecurrentRolloutBuffer,
)
from sb3_ppo_variants.maskable_lstm.policies import (
    CnnLstmPolicy,
    MaskableRecurrentActorCriticPolicy,
    MlpLstmPolicy,
    MultiInputLstmPolicy,
)

ACTION_SPACES = (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


class MaskableRecurrentPPO(RecurrentPPO):
    """PPO with LSTM policies and action masks; the parameters are those of sb3-contrib's RecurrentPPO.

    The environment has a method ``action_masks()``, or sb3-contrib's ActionMasker around it. Actions are Discrete,
    MultiDiscrete or MultiBinary.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpLstmPolicy": MlpLstmPolicy,
        "CnnLstmPolicy": CnnLstmPolicy,
        "MultiInputLstmPolicy": MultiInputLstmPolicy,
    }
    policy: MaskableRecurrentActorCriticPolicy
    rollout_buffer: Any
    # As given to the last `learn`.
    use_masking: bool = True

    def _setup_model(self) -> None:
        assert isinstance(self.action_space, ACTION_SPACES), (
            f"The algorithm only supports {ACTION_SPACES} as action spaces but {self.action_space} was provided"
        )
        super()._setup_model()
        if not isinstance(self.policy, MaskableRecurrentActorCriticPolicy):
            raise ValueError(
                f"policy={type(self.policy).__name__} takes no action masks: it must be a subclass of "
                "MaskableRecurrentActorCriticPolicy"
            )
        dictionaries = isinstance(self.observation_space, spaces.Dict)
        buffer_cls: Any = MaskableRecurrentDictRolloutBuffer if dictionaries else MaskableRecurrentRolloutBuffer
        self.rollout_buffer = buffer_cls(
            self.n_steps,
            self.observation_space,
            self.action_space,
            self.rollout_buffer.hidden_state_shape,
            self.device,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            n_envs=self.n_envs,
        )

    def learn(  # type: ignore[override]
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "MaskableRecurrentPPO",
        reset_num_timesteps: bool = True,
        use_masking: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Train, as in SB3.

        :param total_timesteps: number of environment steps
        :param use_masking: whether the environment is asked for action masks
        :raises ValueError: when masks are used and the environment has none
        """
        self.use_masking = use_masking
        return super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar)

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
        use_masking: bool | None = None,
    ) -> bool:
        """Collect a rollout, as in RecurrentPPO.

        During a step, callbacks find its action masks in ``rollout_buffer.masks_of_step``.

        :param use_masking: whether the environment is asked for action masks; ``None`` for what ``learn`` was given
        :raises ValueError: when masks are used and the environment has none
        """
        if not (self.use_masking if use_masking is None else use_masking):
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        if not is_masking_supported(env):
            raise ValueError("the environment has no action masks: wrap it in sb3_contrib's ActionMasker")
        with _masks_at_each_step(self.policy, env, rollout_buffer, callback):
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)

    def train(self) -> None:
        """Update the policy as RecurrentPPO does, with the masks of each minibatch."""
        with _masks_of_minibatches(self.policy, self.rollout_buffer):
            super().train()

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """Actions for observations, and the next hidden states.

        :param observation: of one environment or of several
        :param state: hidden and cell states, each of shape ``(layers, n_envs, hidden size)``; ``None`` for zeros
        :param episode_start: booleans of shape ``(n_envs,)``, true where an episode begins; ``None`` for none
        :param deterministic: whether to take the most probable actions
        :param action_masks: shape ``(n_envs, choices)``, or ``(choices,)`` for one observation; ``None`` allows all
            actions
        """
        return self.policy.predict(observation, state, episode_start, deterministic, action_masks)


@contextmanager
def _masks_at_each_step(
    policy: MaskableRecurrentActorCriticPolicy, env: VecEnv, buffer: Any, callback: BaseCallback
) -> Iterator[None]:
    """A block in which the policy's decisions in a rollout are masked, and the buffer keeps the masks.

    :param policy: whose ``forward`` decides
    :param env: is asked for the masks
    :param buffer: takes each step when it is done
    :param callback: may call the policy too, at the start of the rollout and in the middle of a step
    """
    own = vars(callback).get("on_rollout_start")

    def give_masks(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if buffer.masks_of_step is not None:
            return None  # a callback's own call, in the middle of a step
        buffer.masks_of_step = get_action_masks(env)
        return args, kwargs | {"action_masks": buffer.masks_of_step}

    hook = policy.register_forward_pre_hook(give_masks, with_kwargs=True)
    vars(callback)["on_rollout_start"] = partial(_begin, callback.on_rollout_start, buffer)
    try:
        yield
    finally:
        hook.remove()
        del vars(callback)["on_rollout_start"]
        if own is not None:
            vars(callback)["on_rollout_start"] = own


def _begin(start: Callable[[], None], buffer: Any) -> None:
    """Let a callback begin; masks of a call of the policy are none of a step."""
    start()
    buffer.masks_of_step = None


@contextmanager
def _masks_of_minibatches(policy: MaskableRecurrentActorCriticPolicy, buffer: Any) -> Iterator[None]:
    """A block in which the policy is masked by the minibatch that the buffer has given last.

    :param policy: evaluates the actions
    :param buffer: full
    """

    def get(batch_size: int | None = None) -> Iterator[Any]:
        for samples in type(buffer).get(buffer, batch_size):
            with policy.masked_by(samples.action_masks):
                yield samples

    buffer.get = get
    try:
        yield
    finally:
        vars(buffer).pop("get")  # the method of the class again
