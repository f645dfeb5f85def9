"""What a network holds beside its state dictionary: frozen parameters, buffers that are not saved, plain attributes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch as th

SCALARS = (bool, int, float, str, type(None), np.generic)
CONTAINERS = (list, tuple, set, frozenset, deque)
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
# Of every module: its parameters, buffers, parts and hooks, which have their own ways.
OF_TORCH = frozenset(vars(th.nn.Module()))


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a string, a tensor, an array, or a container of these.

    Parameters and views of them are none: they belong to the state dictionary.

    :param value: an attribute
    """
    if isinstance(value, Mapping):
        return isinstance(value, dict) and all(is_plain(part) for pair in value.items() for part in pair)
    if isinstance(value, CONTAINERS):
        return all(map(is_plain, value))
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


@th.no_grad()
def set_module_state(policy: th.nn.Module, state: dict[str, Any]) -> None:
    """Set what :func:`module_state` gave.

    :param policy: of the same architecture
    :param state: of the saved one
    """
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_(state["trained"][name])
    for name, buffer in state["buffers"].items():
        module, _, last = name.rpartition(".")
        _set(policy.get_submodule(module)._buffers, last, buffer)
    for name, module in policy.named_modules():
        for key, value in state["attributes"][name].items():
            _set(vars(module), key, value)


def _set(owner: dict[str, Any], name: str, value: Any) -> None:
    """Set an attribute; a tensor stays the one that is there, of which another may be a view."""
    present = owner.get(name)
    if isinstance(present, th.Tensor) and isinstance(value, th.Tensor) and _kind(present) == _kind(value):
        present.copy_(value)
    else:
        owner[name] = value


def _kind(tensor: th.Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.dtype


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
