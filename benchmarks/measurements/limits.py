"""The floor of every implementation: the environments' steps, and the matrix products of an update."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch as th

from benchmarks.measurements.settings import Setting
from benchmarks.measurements.sides import STOCK

Product = Callable[[], Any]


class Trainer:
    """What is left of training without the algorithm.

    :param chosen: the setting
    :param device: of torch
    :param vec_env: kind of the environments' vector
    """

    def __init__(self, chosen: Setting, device: str, vec_env: str = "dummy") -> None:
        model = STOCK.model(chosen, device)
        self._products = products(model)
        self._minibatches = math.ceil(chosen.steps / model.batch_size) * model.n_epochs
        self._env = chosen.vec_env(vec_env)
        self._env.action_space.seed(0)
        self._actions = [
            np.stack([self._env.action_space.sample() for _ in range(chosen.n_envs)]) for _ in range(model.n_steps)
        ]
        self._env.reset()

    def rollout(self) -> None:
        """The steps of a rollout, with actions drawn beforehand."""
        for actions in self._actions:
            self._env.step(actions)

    def update(self) -> None:
        """The matrix products of an update."""
        with th.no_grad():
            for _ in range(self._minibatches):
                for product in self._products:
                    product()

    def end_to_end(self) -> None:
        """Both."""
        self.rollout()
        self.update()


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
