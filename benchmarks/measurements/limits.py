"""The floor of every implementation: the environment's steps, and the matrix products of an update."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch as th

from benchmarks.measurements.settings import SETTINGS, Setting
from benchmarks.measurements.sides import STOCK
from benchmarks.timing import seconds

Product = Callable[[], Any]


def environment_steps(chosen: Setting, steps: int) -> None:
    """Step one bare environment with actions drawn beforehand.

    :param chosen: the setting
    :param steps: how often
    """
    env: Any = chosen.env()
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(steps)]
    env.reset(seed=0)
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()


def products(model: Any) -> list[Product]:
    """The matrix products and convolutions of one minibatch, forward and backward.

    :param model: stock PPO
    """
    found: list[Product] = []

    def remember(layer: Any, inputs: tuple[th.Tensor], output: th.Tensor) -> None:
        given, gradient = inputs[0].detach(), th.ones_like(output)
        make = _linear if isinstance(layer, th.nn.Linear) else _convolution
        found.extend(make(layer, given, gradient, inputs[0].requires_grad))

    layers = [layer for layer in model.policy.modules() if isinstance(layer, th.nn.Linear | th.nn.Conv2d)]
    handles = [layer.register_forward_hook(remember) for layer in layers]
    observations = np.stack([model.observation_space.sample() for _ in range(model.batch_size)])
    tensor, _ = model.policy.obs_to_tensor(observations)
    actions = th.as_tensor(np.stack([model.action_space.sample() for _ in range(model.batch_size)]))
    model.policy.evaluate_actions(tensor, actions)
    for handle in handles:
        handle.remove()
    return found


def _linear(layer: Any, given: th.Tensor, gradient: th.Tensor, with_input: bool) -> list[Product]:
    weight = layer.weight.detach()
    made: list[Product] = [partial(th.mm, given, weight.t()), partial(th.mm, gradient.t(), given)]
    return [*made, partial(th.mm, gradient, weight)] if with_input else made


def _convolution(layer: Any, given: th.Tensor, gradient: th.Tensor, with_input: bool) -> list[Product]:
    weight = layer.weight.detach()
    backward: Any = th.ops.aten.convolution_backward
    rest = (None, layer.stride, layer.padding, layer.dilation, False, [0, 0], layer.groups, [with_input, True, False])
    forward = partial(th.nn.functional.conv2d, given, weight, None, layer.stride, layer.padding, layer.dilation)
    return [forward, partial(backward, gradient, given, weight, *rest)]


def _all(functions: list[Product], times: int) -> None:
    for _ in range(times):
        for function in functions:
            function()


def measure(settings: list[str], repetitions: int, steps: int) -> list[dict[str, Any]]:
    """One row per setting, medians over the repetitions.

    :param settings: names of them
    :param repetitions: how often
    :param steps: environment steps in a repetition
    """
    th.set_num_threads(1)
    rows = []
    for name in settings:
        chosen = SETTINGS[name]
        model = STOCK.model(chosen)
        one = products(model)
        minibatches = math.ceil(chosen.steps / model.batch_size) * model.n_epochs
        with th.no_grad():
            _all(one, 3)
            update = np.median([seconds(partial(_all, one, minibatches)) for _ in range(repetitions)])
        environment_steps(chosen, steps)
        stepping = np.median([seconds(partial(environment_steps, chosen, steps)) for _ in range(repetitions)])
        rows.append(
            {"setting": chosen.title, "update_seconds": float(update)}
            | {"rollout_seconds": float(stepping) / steps * chosen.steps, "steps_per_second": steps / float(stepping)}
        )
    return rows
