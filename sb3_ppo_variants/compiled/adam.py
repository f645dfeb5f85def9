"""A step of Adam as a pure function, and the optimisers that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch as th

from sb3_ppo_variants.compiled.decompositions import once


def adam(
    parameters: Sequence[th.Tensor],
    gradients: Sequence[th.Tensor],
    averages: Sequence[th.Tensor],
    squares: Sequence[th.Tensor],
    steps: th.Tensor,
    learning_rate: th.Tensor,
    *,
    betas: tuple[float, float],
    eps: float,
) -> tuple[list[th.Tensor], list[th.Tensor], list[th.Tensor], th.Tensor]:
    r"""One step.

    .. math::

        m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \qquad
        \theta \leftarrow \theta
        - \frac{\alpha}{1 - \beta_1^t} \frac{m}{\sqrt{v} / \sqrt{1 - \beta_2^t} + \varepsilon}

    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, arXiv 1412.6980, algorithm 1, with
    :math:`\varepsilon` where torch adds it.

    :param parameters: :math:`\theta`
    :param gradients: :math:`g`, of the same shapes
    :param averages: :math:`m`
    :param squares: :math:`v`
    :param steps: number of steps that each parameter has taken so far, shape ``(n,)``; :math:`t` is one more
    :param learning_rate: :math:`\alpha` in double precision, a scalar or one for each parameter, shape ``(n,)``
    :param betas: :math:`\beta_1, \beta_2`
    :param eps: :math:`\varepsilon`
    :return: the new parameters, averages, squares and number of steps
    """
    steps = steps + 1
    t = steps.double()  # as torch, which keeps the powers in Python's floats
    step_sizes = once(learning_rate / (1 - betas[0] ** t)).unbind()
    roots = once((1 - betas[1] ** t).sqrt()).unbind()
    averages = [old.lerp(gradient, 1 - betas[0]) for old, gradient in zip(averages, gradients, strict=True)]
    squares = [
        betas[1] * old + (1 - betas[1]) * gradient * gradient for old, gradient in zip(squares, gradients, strict=True)
    ]
    moved = [
        parameter - step_size * (average / (square.sqrt() / root + eps))
        for parameter, average, square, step_size, root in zip(
            parameters, averages, squares, step_sizes, roots, strict=True
        )
    ]
    return moved, averages, squares, steps


def plain_groups(optimizer: th.optim.Optimizer) -> list[dict[str, Any]] | None:
    """The parameter groups of a plain Adam without hooks, alike but for their rates; ``None`` for any other optimiser.

    :param optimizer: of a policy
    """
    groups = optimizer.param_groups
    variations = ("weight_decay", "amsgrad", "maximize", "differentiable", "capturable", "fused")
    if type(optimizer) is not th.optim.Adam or any(any(map(group.get, variations)) for group in groups):
        return None
    if any((group["betas"], group["eps"]) != (groups[0]["betas"], groups[0]["eps"]) for group in groups):
        return None
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks or "step" in vars(optimizer):
        return None
    return groups


def states_of(optimizer: th.optim.Optimizer, parameters: Sequence[th.Tensor]) -> list[dict[str, th.Tensor]]:
    """Adam's state of each parameter; where there is none yet a new one, which the optimiser does not have.

    :param optimizer: a plain Adam
    :param parameters: that it holds
    """
    return [optimizer.state.get(parameter) or _new_state(parameter) for parameter in parameters]


def _new_state(parameter: th.Tensor) -> dict[str, th.Tensor]:
    return {
        "step": th.tensor(0.0),
        "exp_avg": th.zeros_like(parameter, memory_format=th.preserve_format),
        "exp_avg_sq": th.zeros_like(parameter, memory_format=th.preserve_format),
    }
