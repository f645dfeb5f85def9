"""The states of the random generators, which a run that is resumed takes over before its first rollout."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm


def generator_states() -> dict[str, Any]:
    """The states of the global random generators: of Python, numpy, torch, and CUDA where it is in use."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": th.get_rng_state(),
        "cuda": th.cuda.get_rng_state_all() if th.cuda.is_initialized() else [],  # type: ignore[no-untyped-call]
    }


def set_generator_states(states: dict[str, Any]) -> None:
    """Set the global random generators.

    :param states: of :func:`generator_states`
    """
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    # Loaded along with the model they may sit on its device, and torch takes them from the CPU alone.
    th.set_rng_state(states["torch"].cpu())
    for index, state in zip(range(th.cuda.device_count()), states["cuda"], strict=False):
        th.cuda.set_rng_state(state.cpu(), index)


class _EmptyBuffer:
    """``reset`` of a rollout buffer, and what else is to be done then.

    SB3 has no hook between an update and the next rollout: when it calls ``on_rollout_start``, gSDE has drawn its noise
    already. Emptying the buffer is what all its algorithms do just before that.
    """

    def __init__(self, reset: Callable[[], None]) -> None:
        self.reset = reset
        self.functions: list[Callable[[], None]] = []
        # The state of a run that is resumed, until its first rollout.
        self.waiting: dict[str, Any] | None = None

    def __call__(self) -> None:
        self.reset()
        for function in list(self.functions):
            function()


def waiting_state(model: OnPolicyAlgorithm) -> dict[str, Any] | None:
    """The state that a resumed run takes over when its first rollout starts; ``None`` afterwards.

    :param model: that may have been resumed
    """
    return getattr(model.rollout_buffer.reset, "waiting", None)


def let_wait(model: OnPolicyAlgorithm, state: dict[str, Any] | None) -> None:
    """Keep a state for :func:`waiting_state`.

    :param model: that is resumed
    :param state: or nothing, when it has been taken over
    """
    reset = model.rollout_buffer.reset
    assert isinstance(reset, _EmptyBuffer)
    reset.waiting = state


def before_each_rollout(model: OnPolicyAlgorithm, function: Callable[[], None]) -> None:
    """Call a function when the rollout buffer is emptied, in the order in which functions were passed here.

    :param model: whose buffer it is
    :param function: without arguments
    """
    buffer = model.rollout_buffer
    if not isinstance(buffer.reset, _EmptyBuffer):
        buffer.reset = _EmptyBuffer(buffer.reset)  # type: ignore[method-assign]
    if function not in buffer.reset.functions:
        buffer.reset.functions.append(function)


def not_before_rollouts(model: OnPolicyAlgorithm, function: Callable[[], None]) -> None:
    """Undo :func:`before_each_rollout`.

    :param model: whose buffer it is
    :param function: that was passed there
    """
    reset = model.rollout_buffer.reset
    if isinstance(reset, _EmptyBuffer) and function in reset.functions:
        reset.functions.remove(function)
