"""Numbers that are not finite, and would spoil the weights, stop the training with their name."""

from __future__ import annotations

import math
import traceback
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.buffers import RolloutBuffer

RESTORED = "the model is as it was before this update"
ROLLOUT_ARRAYS = ("rewards", "values", "log_probs", "advantages", "returns")


def check_rollout(buffer: RolloutBuffer, when: str) -> None:
    """Refuse a rollout with numbers that are not finite and would spoil the weights.

    Observations are not looked at: a policy may know what to do with one that is missing.

    :param buffer: full, not yet flattened
    :param when: which update, for the message
    :raises FloatingPointError: naming the quantity, its step and its environment
    """
    for name in ROLLOUT_ARRAYS:
        array = getattr(buffer, name)
        place = _first_bad_place(array)
        if place is not None:
            step, env = place[:2]
            where = f"at step {step} of environment {env}" + _cause(buffer.observations, step, env)
            raise FloatingPointError(f"{name} of the rollout: {array[place]} {where}; {when} was not begun")


def _cause(observations: Any, step: int, env: int) -> str:
    """What a message says of the observation at a bad place, if that is not finite either."""
    parts = observations.values() if isinstance(observations, dict) else [observations]
    bad = any(_first_bad_place(part[step : step + 1, env : env + 1]) is not None for part in parts)
    return ", whose observation is not finite" if bad else ""


def constant_advantages(buffer: RolloutBuffer, when: str) -> str | None:
    """The warning for advantages that are normalised and all the same; ``None`` for others, and zeros, which stay zero.

    :param buffer: full
    :param when: which update, for the message
    """
    advantages = np.asarray(buffer.advantages)
    first = float(advantages.flat[0])
    if first == 0 or (advantages != first).any():
        return None
    return (
        f"all advantages of a rollout are {first:g} in {when}: normalised as in SB3, they are divided by a standard "
        "deviation of rounding errors; normalize_advantage=False does not"
    )


def _first_bad_place(array: Any) -> tuple[int, ...] | None:
    # A buffer of the user may keep other things than arrays.
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating) or np.isfinite(array).all():
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
            raise FloatingPointError(f"{of}: {part[place]} in environment {place[0]}, with which the policy fails")


def raised_in(policy: Any, error: BaseException) -> bool:
    """Whether an error comes from a method of the policy.

    :param policy: of the model
    :param error: with its traceback
    """
    return any(frame.f_locals.get("self") is policy for frame, _ in traceback.walk_tb(error.__traceback__))


def check_policy(policy: Any, parameters: Collection[th.Tensor], when: str) -> None:
    """Refuse what the last step of an update has left, if it is not finite.

    :param policy: after the update
    :param parameters: of the policy
    :param when: which update, for the message
    :raises FloatingPointError: naming the parameters or the standard deviation
    """
    # A network may keep constants as parameters without a gradient, indices or a mask of minus infinity.
    trained = [parameter for parameter in parameters if parameter.requires_grad and parameter.numel()]
    largest = {"a parameter": th.nn.utils.get_total_norm(trained, math.inf)}
    # SB3's use_expln multiplies the exponential by 0 where it does not need it, which makes NaN of infinity.
    if hasattr(policy, "log_std"):
        largest["the standard deviation of the actions"] = policy.log_std.max().exp()
    for name, tensor in largest.items():
        if not math.isfinite(tensor.item()):
            raise FloatingPointError(f"{name} is not finite after {when}; {RESTORED}")


def check_quantities(quantities: Mapping[str, Sequence[th.Tensor]], when: str) -> None:
    """Refuse quantities of an epoch that are not finite.

    :param quantities: name to a tensor per minibatch, in the order in which they cause one another
    :param when: which update and epoch, for the message
    :raises FloatingPointError: naming the first quantity
    """
    # Minibatch by minibatch: what goes wrong in one spoils all of the next.
    for of_minibatch in zip_longest(*quantities.values()):
        for name, tensor in zip(quantities, of_minibatch, strict=True):
            if tensor is not None and not tensor.isfinite().all():
                raise FloatingPointError(f"{name} is not finite in {when}; {RESTORED}")
