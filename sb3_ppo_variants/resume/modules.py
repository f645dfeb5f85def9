"""What a network holds beside its state dictionary: frozen parameters, buffers that are not saved, plain attributes."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

import numpy as np
import torch as th

from sb3_ppo_variants.compiled.contents import HOOKS, OF_TORCH

SCALARS = (bool, int, float, str, type(None), np.generic)
LISTS, SETS, DICTS = (list, deque), (set, frozenset), (dict, OrderedDict)


def is_plain(value: Any, within: tuple[int, ...] = ()) -> bool:
    """Whether a value is a number, a string, a tensor, an array, or a container of these.

    Parameters are none: they belong to the state dictionary.

    :param value: an attribute
    :param within: identities of the containers that it is in; one that holds itself is not plain
    """
    if type(value) in (*LISTS, *SETS, *DICTS, tuple):
        parts = [*value, *value.values()] if type(value) in DICTS else value
        return id(value) not in within and all(is_plain(part, (*within, id(value))) for part in parts)
    is_parameter = isinstance(value, th.Tensor) and (value.requires_grad or isinstance(value, th.nn.Parameter))
    return isinstance(value, (*SCALARS, th.Tensor, np.ndarray)) and not is_parameter


def module_state(policy: th.nn.Module) -> dict[str, Any]:
    """Which parameters are trained, buffers, and the plain attributes of all modules: a dropout rate, or a counter.

    :param policy: of a model
    """
    saved = policy.state_dict().keys()
    return {
        "trained": {name: parameter.requires_grad for name, parameter in policy.named_parameters()},
        "buffers": {name: buffer for name, buffer in policy.named_buffers() if name not in saved},
        "attributes": {
            name: {key: value for key, value in vars(module).items() if key not in OF_TORCH and is_plain(value)}
            for name, module in policy.named_modules()
        },
    }


def set_module_state(policy: th.nn.Module, state: dict[str, Any]) -> None:
    """Set what :func:`module_state` gave.

    :param policy: of the same architecture
    :param state: of the saved one
    """
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_(state["trained"][name])
    for name, buffer in state["buffers"].items():
        module, _, last = name.rpartition(".")
        set_plain(policy.get_submodule(module)._buffers, {last: buffer})
    for name, module in policy.named_modules():
        set_plain(vars(module), state["attributes"][name])


@th.no_grad()
def set_plain(owner: dict[str, Any], values: dict[str, Any]) -> None:
    """Set plain attributes, within the objects that are there: something else may hold them, or a view of them.

    :param owner: of the attributes
    :param values: name to value
    """
    for name, value in values.items():
        owner[name] = _written(owner.get(name), value)


def _written(present: Any, value: Any) -> Any:
    """The present object with the contents of another one, or that one where they cannot be written."""
    if isinstance(value, (th.Tensor, np.ndarray)):
        return _filled(present, value)
    if type(present) is not type(value) or type(value) not in (*LISTS, *DICTS, set):
        return value
    if type(value) in LISTS:
        earlier = [*present, *[None] * (len(value) - len(present))]
        value = [_written(*pair) for pair in zip(earlier, value, strict=False)]
    elif type(value) in DICTS:
        value = {key: _written(present.get(key), part) for key, part in value.items()}
    present.clear()
    (present.extend if type(present) in LISTS else present.update)(value)
    return present


def _filled(present: Any, value: Any) -> Any:
    if type(present) is not type(value) or (present.shape, present.dtype) != (value.shape, value.dtype):
        return value
    try:
        present[...] = value
    except (RuntimeError, ValueError):  # several places of an expanded tensor are one; an array may be read-only
        return value
    return present


def unsaved_parts(policy: Any) -> list[str]:
    """What changes the training of a policy and is in no file, one sentence each.

    :param policy: of a model
    """
    found = []
    if any(getattr(module, hooks, None) for module in policy.modules() for hooks in HOOKS):
        found.append("hooks of the policy's modules are not saved")
    if any(parameter._backward_hooks for parameter in policy.parameters()):
        found.append("hooks of the policy's parameters are not saved")
    return found
