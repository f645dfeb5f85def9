"""What has no way into native code."""

from __future__ import annotations

import sys
from typing import Any

import torch as th
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import PPO
from torch.nn.modules import module as all_modules

from sb3_ppo_variants.compiled.contents import HOOKS, is_of_user
from sb3_ppo_variants.maskable_lstm.ppo import MaskableRecurrentPPO

STOCK = (PPO, MaskablePPO, RecurrentPPO, MaskableRecurrentPPO)


class Unsupported(Exception):
    """Something that has no way into native code as it is; the message says what, to the user."""


class Ended(Unsupported):
    """Something that ends native code for good, because it would be found again and again."""


def refuse_hooks(policy: th.nn.Module) -> None:
    """Refuse functions that torch calls in the middle of a pass: native code would not call them.

    :param policy: with its modules
    :raises Unsupported: naming the first
    """
    for hooks in HOOKS:
        if vars(all_modules)[f"_global{hooks}"]:
            raise Unsupported(
                f"torch.nn.modules.module has {hooks[1:]} for all modules, which native code does not call"
            )
        for name, module in policy.named_modules():
            if getattr(module, hooks):
                raise Unsupported(f"policy.{name} has {hooks[1:]}, which native code does not call".replace(". ", " "))


def refuse_hooks_of_parameters(policy: th.nn.Module) -> None:
    """Refuse functions that torch calls with a gradient.

    :param policy: with its parameters
    :raises Unsupported: naming the first
    """
    for name, parameter in policy.named_parameters():
        own: Any = parameter
        if own._backward_hooks or own._post_accumulate_grad_hooks:
            raise Unsupported(f"policy.{name} has hooks, which native code does not call")


def refuse_replaced_forward(policy: th.nn.Module) -> None:
    """Refuse a policy whose ``forward`` is not that of its class, but a function of ``torch.compile``, say.

    :param policy: of an algorithm
    :raises Unsupported: when there is one
    """
    replaced = "forward" in vars(policy) or getattr(policy, "_compiled_call_impl", None) is not None
    replaced |= type(policy).__call__ is not th.nn.Module.__call__
    if replaced or isinstance(policy, th._dynamo.OptimizedModule):
        raise Unsupported("something else has taken the place of the policy's forward, torch.compile say")


def is_original(method: Any) -> bool:
    """Whether a method of a library's class is the library's own: other packages put wrappers in the place of some.

    :param method: as a function
    """
    module = sys.modules.get(str(getattr(method, "__module__", None)))
    # `functools.wraps` gives a wrapper the name of the module, and not its names.
    is_of_module = module is not None and getattr(method, "__globals__", None) is vars(module)
    return is_of_module and not is_of_user(method)


def refuse_other_rollout(collect_rollouts: Any) -> None:
    """Refuse a loop of a user's class.

    :param collect_rollouts: the method that would be called in eager mode
    :raises Unsupported: when it is that of no stock class
    """
    function = getattr(collect_rollouts, "__func__", collect_rollouts)
    if function not in [stock.collect_rollouts for stock in STOCK] or not is_original(function):
        names = ", ".join(stock.__name__ for stock in STOCK)
        raise Unsupported(f"{function.__qualname__} is that of none of {names}")
