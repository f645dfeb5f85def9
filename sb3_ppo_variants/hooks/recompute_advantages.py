"""Advantages from the critic of the moment, anew before every epoch but the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch as th

from sb3_ppo_variants.coefficients import Flag
from sb3_ppo_variants.loop.hook import UpdateHook
from sb3_ppo_variants.loop.rollout import Terminal, flatten, has_indices, is_cut_off


class RecomputeAdvantages(UpdateHook):
    r"""Advantages and returns from the critic as it is before each epoch but the first.

    .. math:: \hat A_t = \sum_l (\gamma \lambda)^l \big(r_{t+l} + \gamma V_\theta(s_{t+l+1}) - V_\theta(s_{t+l})\big)

    The policy keeps its old log-probabilities, and ``clip_range_vf`` its old values: it limits the whole update. Where
    an episode ended by its time limit, SB3 has added :math:`\gamma V(s_{end})` to the reward, with the critic of the
    rollout; the last observations of such episodes are kept, and this part is made anew as well. With an LSTM, values
    come from the states that the rollout stored. After the update the buffer holds SB3's advantages and returns again,
    so that ``train/explained_variance`` has its usual meaning.

    Andrychowicz et al., "What Matters In On-Policy Reinforcement Learning?", 2020, arXiv 2006.05990, section 3.5;
    tianshou's default on MuJoCo.
    """

    arguments = (Flag("recompute_advantages"),)

    def __init__(self) -> None:
        self._terminals: list[Terminal] = []
        self._rewards = np.zeros(0)
        self._shapes: dict[str, tuple[int, ...]] = {}

    def check(self, model: Any) -> None:
        """Refuse a rollout buffer that cannot be read in storage order.

        :param model: that is set up
        :raises ValueError: naming the class of the buffer
        """
        if not has_indices(model.rollout_buffer):
            raise ValueError(
                f"recompute_advantages=True: rollout_buffer_class={type(model.rollout_buffer).__name__} has no "
                "_get_samples; use a subclass of SB3's RolloutBuffer"
            )

    def on_step(self, model: Any, infos: Sequence[Mapping[str, Any]], dones: Any) -> None:
        """Keep the last observations of episodes that end by their time limit.

        :param model: in the middle of a rollout
        :param infos: one per environment
        :param dones: whether an episode ended
        """
        buffer = model.rollout_buffer
        step = buffer.pos
        if step == 0:
            self._terminals = []
            self._shapes = {name: array.shape for name, array in vars(buffer).items() if isinstance(array, np.ndarray)}
        for env, (info, done) in enumerate(zip(infos, dones, strict=True)):
            if done and is_cut_off(info):
                self._terminals.append(Terminal(step, env, info["terminal_observation"]))

    @contextmanager
    def around_update(self, model: Any, update: Any) -> Iterator[None]:
        """Take the values at time limits out of the rewards, and give the buffer its advantages back at the end.

        :param model: about to be updated
        :param update: about to begin
        """
        buffer = model.rollout_buffer
        flatten(buffer, model.batch_size)
        advantages, returns = buffer.advantages.copy(), buffer.returns.copy()
        self._rewards = buffer.rewards.copy()
        self._add_terminal_values(model, -1.0)
        try:
            yield
        finally:
            buffer.advantages[...], buffer.returns[...] = advantages, returns

    @property
    def changes_steps(self) -> bool:
        """It changes rows of the rollout alone, which each step reads."""
        return False

    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        """Compute advantages and returns from the current critic.

        :param model: in the middle of an update
        :param update: in progress
        :param epoch: counted from 0
        """
        if epoch == 0:
            return
        buffer = model.rollout_buffer
        before = self._rewards.copy()
        self._add_terminal_values(model, 1.0)
        advantages, returns = _computed(model, self._rewards, self._shapes)
        self._rewards = before
        for name, column in (("advantages", advantages), ("returns", returns)):
            own = getattr(buffer, name)
            own[...] = buffer.swap_and_flatten(column).reshape(own.shape)
            if update.rollout is not None:
                part = getattr(update.rollout, name)
                part.copy_(th.as_tensor(own, device=part.device).reshape(part.shape))

    def _add_terminal_values(self, model: Any, sign: float) -> None:
        if self._terminals:
            values = model._terminal_values(self._terminals)
            for terminal, value in zip(self._terminals, values.tolist(), strict=True):
                self._rewards[terminal.step, terminal.env] += sign * model.gamma * value


def _computed(model: Any, rewards: np.ndarray, shapes: Mapping[str, tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Advantages and returns by the buffer's own method, each of shape ``(n_steps, n_envs)``.

    :param rewards: with the values at time limits
    :param shapes: of the arrays of the buffer before they were flattened
    """
    buffer = model.rollout_buffer
    values = model._rollout_values().cpu().numpy().reshape(buffer.n_envs, buffer.buffer_size).T
    arrays = {name: vars(buffer)[name] for name in shapes if isinstance(vars(buffer).get(name), np.ndarray)}
    by_step = {name: _by_step(array, shapes[name]) for name, array in arrays.items()}
    empty = {"advantages": np.zeros_like(rewards), "returns": np.zeros_like(rewards)}
    own = {name: getattr(buffer, name) for name in {*by_step, *empty, "values", "rewards"}}
    vars(buffer).update(by_step | empty, values=values, rewards=rewards)
    try:
        buffer.compute_returns_and_advantage(model._last_values(), model._last_episode_starts)
        return buffer.advantages, buffer.returns
    finally:
        vars(buffer).update(own)


def _by_step(flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array as it was before the buffer flattened it, without a copy.

    sb3-contrib's hidden states have the environments in another place, and stay as they are.
    """
    steps, envs = shape[:2] if len(shape) > 1 else (0, 0)
    if flat.shape == shape or flat.shape[0] != steps * envs:
        return flat
    return flat.reshape(envs, steps, *shape[2:]).swapaxes(0, 1)
