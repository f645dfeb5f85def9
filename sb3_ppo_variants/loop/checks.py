"""Numbers that are not finite stop the training, with the model as it was before the update that met them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.policies import ActorCriticPolicy

ROLLOUT_ARRAYS = ("observations", "rewards", "values", "log_probs", "advantages", "returns")


def check_rollout(buffer: RolloutBuffer, normalize_advantage: bool, when: str) -> None:
    """Refuse a rollout with numbers that are not finite, or with advantages that cannot be normalised.

    Advantages that are all zero are no error: they stay zero, and only the critic learns.

    :param buffer: full, not yet flattened
    :param normalize_advantage: whether advantages are divided by their standard deviation
    :param when: which update, for the message
    :raises FloatingPointError: naming the quantity, its step and its environment
    """
    for name in ROLLOUT_ARRAYS:
        array = getattr(buffer, name)
        parts = array.items() if isinstance(array, dict) else [("", array)]
        for key, part in parts:
            place = _first_bad_place(part)
            if place is not None:
                of = f"{name}[{key!r}]" if key else name
                step, env = place[:2]
                raise FloatingPointError(
                    f"{of} of the rollout: {part[place]} at step {step} of environment {env}; {when} was not begun, "
                    "the model is as it was"
                )
    first = buffer.advantages.flat[0]
    if normalize_advantage and first != 0 and (buffer.advantages == first).all():
        raise FloatingPointError(
            f"advantages of the rollout are all {first:g}: without variance, normalising them would make a gradient of "
            f"rounding errors; {when} was not begun, the model is as it was"
        )


def _first_bad_place(array: np.ndarray) -> tuple[int, ...] | None:
    if not np.issubdtype(array.dtype, np.floating) or np.isfinite(array).all():
        return None
    return tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])


def check_observation(observation: Any) -> None:
    """Refuse an observation with numbers that are not finite.

    :param observation: of all environments, an array or a dictionary of them
    :raises FloatingPointError: naming it
    """
    parts = observation.items() if isinstance(observation, dict) else [("", observation)]
    for key, part in parts:
        place = _first_bad_place(np.asarray(part))
        if place is not None:
            of = f"observation[{key!r}]" if key else "observation"
            raise FloatingPointError(f"{of}: {part[place]} in environment {place[0]}; the model is as it was")


def check_quantities(quantities: Mapping[str, Sequence[th.Tensor]], when: str) -> None:
    """Refuse quantities of an epoch that are not finite.

    The sum of the scalars is looked at first: a ratio that is not finite spoils the gradient of its step.

    :param quantities: name to a tensor per minibatch, in the order in which they cause one another, the gradient last
    :param when: which update and epoch, for the message
    :raises FloatingPointError: naming the first quantity
    """
    scalars = [tensor for tensors in quantities.values() for tensor in tensors if tensor.dim() == 0]
    if math.isfinite(th.stack(scalars).sum().item()) and len(set(map(len, quantities.values()))) == 1:
        return
    # Minibatch by minibatch: what goes wrong in one spoils all of the next.
    for of_minibatch in zip_longest(*quantities.values()):
        for name, tensor in zip(quantities, of_minibatch, strict=True):
            if tensor is not None and not tensor.isfinite().all():
                raise FloatingPointError(f"{name} is not finite in {when}; the model is as it was before this update")


class Backup:
    """The policy and its optimiser as they were before an update.

    Its memory is used again at every update: to be given fresh pages takes longer than the copy.
    """

    def __init__(self) -> None:
        self._copy: list[Any] = []

    @contextmanager
    def restored_on_error(self, policy: ActorCriticPolicy) -> Iterator[None]:
        """Put the policy, its optimiser and its mode back when an error leaves the block.

        :param policy: the policy with its optimiser
        """
        self._copy = _copied([policy.state_dict(), policy.optimizer.state_dict()], self._copy)
        training = policy.training
        try:
            yield
        except Exception:
            weights, optimizer_state = self._copy
            self._copy = []  # the optimiser takes these very tensors
            policy.load_state_dict(weights)
            policy.optimizer.load_state_dict(optimizer_state)
            policy.set_training_mode(training)
            raise


def _copied(state: Any, earlier: Any) -> Any:
    """A copy of a state dictionary, written over an earlier one as far as they are alike."""
    if isinstance(state, th.Tensor):
        alike = isinstance(earlier, th.Tensor) and _kind(earlier) == _kind(state)
        return earlier.copy_(state) if alike else state.clone()
    if isinstance(state, dict):
        named = earlier if isinstance(earlier, dict) else {}
        return {name: _copied(part, named.get(name)) for name, part in state.items()}
    if isinstance(state, list):
        listed = earlier if isinstance(earlier, list) else []
        return [_copied(part, before) for part, before in zip_longest(state, listed[: len(state)])]
    return state


def _kind(tensor: th.Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.dtype, tensor.device
