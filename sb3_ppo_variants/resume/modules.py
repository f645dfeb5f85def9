"""What a network holds beside its state dictionary: frozen parameters, plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th

PLAIN = (bool, int, float, str, type(None), th.Tensor, np.ndarray)
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def module_state(policy: th.nn.Module) -> dict[str, Any]:
    """Which parameters are trained, and the plain attributes of all modules: a dropout rate, say, or a counter.

    :param policy: of a model
    """
    return {
        "trained": {name: parameter.requires_grad for name, parameter in policy.named_parameters()},
        "attributes": {
            # torch keeps parameters, buffers and views of them under names that begin with an underscore.
            name: {key: value for key, value in vars(module).items() if key[0] != "_" and isinstance(value, PLAIN)}
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
    for name, module in policy.named_modules():
        vars(module).update(state["attributes"][name])


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
