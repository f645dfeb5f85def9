"""What a step of the optimiser is a function of: weights, optimiser state, rollout, coefficients, indices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch as th

from sb3_ppo_variants.compiled.adam import plain_group, states_of
from sb3_ppo_variants.compiled.unsupported import Unsupported
from sb3_ppo_variants.loop.losses import LossComputation
from sb3_ppo_variants.loop.update import Update


class Inputs(NamedTuple):
    """The tensors of a step. The first five are written by it, in place."""

    parameters: list[th.Tensor]
    averages: list[th.Tensor]
    squares: list[th.Tensor]
    others: list[th.Tensor]
    steps: th.Tensor
    rollout: Any
    old: list[th.Tensor]
    prepared: dict[str, th.Tensor]
    coefficients: th.Tensor
    indices: th.Tensor

    @property
    def number_in_place(self) -> int:
        """Number of tensors, from the first, that the step finds and writes where SB3 keeps them."""
        return len(self.parameters) + len(self.averages) + len(self.squares) + len(self.others)

    @property
    def written(self) -> list[th.Tensor]:
        """The tensors that a step may change."""
        return [*self.parameters, *self.averages, *self.squares, *self.others, self.steps]


@dataclass(frozen=True)
class StepState:
    """What an update with a plain Adam works on.

    :param group: the one parameter group of the optimiser
    :param trained: the parameters that the optimiser steps, by name
    :param others: all other parameters and the buffers, by name
    :param states: Adam's state of each trained parameter, also where it has none yet because it never had a gradient
    :param numbers: every number that may change from update to update, by name
    """

    group: dict[str, Any]
    trained: dict[str, th.Tensor]
    others: dict[str, th.Tensor]
    states: list[dict[str, th.Tensor]]
    numbers: dict[str, float]

    @property
    def steps(self) -> th.Tensor:
        """The number of steps that each trained parameter has taken, shape ``(n,)``."""
        return th.stack([state["step"] for state in self.states])


def step_state(algorithm: LossComputation, update: Update) -> StepState:
    """Find out what an update works on.

    :param algorithm: the model
    :param update: about to begin
    :raises Unsupported: for a rollout buffer or an optimiser that has no way into native code
    """
    policy, optimizer = algorithm.policy, algorithm.policy.optimizer
    if update.rollout is None:
        reason = f"{type(algorithm.rollout_buffer).__name__} makes minibatches that are more than rows of the rollout"
        if algorithm.device.type != "cpu":
            reason += f", or the rollout takes more than an eighth of the memory of {algorithm.device}"
        raise Unsupported(reason)
    group = plain_group(optimizer)
    if group is None:
        kind = type(optimizer).__name__
        raise Unsupported(f"the optimiser is {kind} with other settings or hooks, not a plain Adam")
    parameters = dict(policy.named_parameters())
    trained = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    optimized = {id(parameter) for parameter in group["params"]}
    if left_out := [name for name, parameter in trained.items() if id(parameter) not in optimized]:
        raise Unsupported(f"the optimiser does not hold {left_out[0]}, which has a gradient all the same")
    if optimized - {id(parameter) for parameter in parameters.values()}:
        raise Unsupported("the optimiser holds parameters that are not the policy's")
    others = {name: p for name, p in parameters.items() if name not in trained} | dict(policy.named_buffers())
    states = states_of(optimizer, list(trained.values()))
    return StepState(group, trained, others, states, _numbers(algorithm, update, group))


def step_inputs(algorithm: LossComputation, update: Update, state: StepState) -> Inputs:
    """Collect the tensors of a step.

    :param algorithm: the model
    :param update: about to begin
    :param state: what it works on
    """
    device, samples = algorithm.device, len(update.rollout.advantages)
    return Inputs(
        parameters=[parameter.detach() for parameter in state.trained.values()],
        averages=[moments["exp_avg"] for moments in state.states],
        squares=[moments["exp_avg_sq"] for moments in state.states],
        others=[tensor.detach() for tensor in state.others.values()],
        steps=state.steps.to(device),
        rollout=update.rollout,
        old=[] if update.old is None else list(update.old.distributions.tensors),
        prepared={} if update.old is None else dict(update.old.prepared),
        coefficients=th.tensor(list(state.numbers.values()), dtype=th.float64, device=device),
        indices=th.arange(min(algorithm.batch_size, samples), device=device),
    )


def _numbers(algorithm: LossComputation, update: Update, group: dict[str, Any]) -> dict[str, float]:
    numbers = dict(update.values) | {"learning_rate": group["lr"], "max_grad_norm": algorithm.max_grad_norm}
    if update.clip_range_vf is not None:
        numbers["clip_range_vf"] = update.clip_range_vf
    return numbers | {f"limit {index}": limit for index, (_, limit) in enumerate(update.conditions)}
