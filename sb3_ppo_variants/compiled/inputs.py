"""What a step of the optimiser is a function of: weights, optimiser state, rollout, coefficients, indices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch as th

from sb3_ppo_variants.compiled.adam import plain_groups, states_of
from sb3_ppo_variants.compiled.unsupported import Unsupported
from sb3_ppo_variants.loop.losses import LossComputation
from sb3_ppo_variants.loop.update import Update


class Inputs(NamedTuple):
    """The tensors of a step. The first six are written by it, in place."""

    parameters: list[th.Tensor]
    averages: list[th.Tensor]
    squares: list[th.Tensor]
    others: list[th.Tensor]
    before: list[th.Tensor]
    steps: th.Tensor
    rollout: Any
    old: list[th.Tensor]
    features: list[th.Tensor]
    prepared: dict[str, th.Tensor]
    coefficients: th.Tensor
    indices: th.Tensor
    apart: list[th.Tensor]

    @property
    def tensors(self) -> list[th.Tensor]:
        """All of them, in the order of ``torch.utils._pytree``, which takes a tenth of an update to find it."""
        return list(_leaves(self))

    @property
    def number_in_place(self) -> int:
        """Number of tensors, from the first, that the step finds and writes where SB3 keeps them."""
        return sum(map(len, (self.parameters, self.averages, self.squares, self.others, self.before)))

    @property
    def written(self) -> list[th.Tensor]:
        """The tensors that a step may change."""
        return [*self.parameters, *self.averages, *self.squares, *self.others, self.steps, *self.before]


def _leaves(part: Any) -> Iterator[th.Tensor]:
    if isinstance(part, (list, tuple, dict)):
        for each in part.values() if isinstance(part, dict) else part:
            yield from _leaves(each)
    else:
        yield part


@dataclass(frozen=True)
class StepState:
    """What an update with a plain Adam works on.

    :param groups: the parameter groups of the optimiser, which differ in their rates alone
    :param trained: the parameters that the optimiser steps, by name
    :param others: all other parameters and the buffers, by name
    :param states: Adam's state of each trained parameter, also where it has none yet because it never had a gradient
    :param numbers: every number that may change from update to update, by name
    """

    groups: list[dict[str, Any]]
    trained: dict[str, th.Tensor]
    others: dict[str, th.Tensor]
    states: list[dict[str, th.Tensor]]
    numbers: dict[str, float]

    @property
    def rates(self) -> list[int]:
        """The number of the group of each trained parameter."""
        group_of = {id(p): number for number, group in enumerate(self.groups) for p in group["params"]}
        return [group_of[id(parameter)] for parameter in self.trained.values()]

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
    groups = plain_groups(optimizer)
    if groups is None:
        kind = type(optimizer).__name__
        raise Unsupported(f"the optimiser is {kind} with other settings or hooks, not a plain Adam")
    parameters = update.parameters
    trained = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    optimized = {id(parameter) for group in groups for parameter in group["params"]}
    if left_out := [name for name, parameter in trained.items() if id(parameter) not in optimized]:
        raise Unsupported(f"the optimiser does not hold {left_out[0]}, which has a gradient all the same")
    if optimized - {id(parameter) for parameter in parameters.values()}:
        raise Unsupported("the optimiser holds parameters that are not the policy's")
    others = {name: p for name, p in parameters.items() if name not in trained} | dict(policy.named_buffers())
    states = states_of(optimizer, list(trained.values()))
    return StepState(groups, trained, others, states, _numbers(algorithm, update, groups))


def step_inputs(algorithm: LossComputation, update: Update, state: StepState) -> Inputs:
    """Collect the tensors of a step.

    :param algorithm: the model
    :param update: about to begin
    :param state: what it works on
    """
    device, samples = algorithm.device, len(update.rollout.advantages)
    indices = th.arange(min(algorithm._minibatch_size, samples), device=device)
    return Inputs(
        parameters=[parameter.detach() for parameter in state.trained.values()],
        averages=[moments["exp_avg"] for moments in state.states],
        squares=[moments["exp_avg_sq"] for moments in state.states],
        others=[tensor.detach() for tensor in state.others.values()],
        before=[] if update.apart is None or update.apart.before is None else list(update.apart.before.tensors),
        steps=state.steps.to(device),
        rollout=update.rollout,
        old=[] if update.old is None else list(update.old.distributions.tensors),
        features=[] if update.old is None or update.old.features is None else [update.old.features],
        prepared={} if update.old is None else dict(update.old.prepared),
        coefficients=th.tensor(list(state.numbers.values()), dtype=th.float64, device=device),
        indices=indices,
        apart=[] if update.apart is None else [indices.clone(), indices.clone()],
    )


def _numbers(algorithm: LossComputation, update: Update, groups: list[dict[str, Any]]) -> dict[str, float]:
    numbers = dict(update.values) | {"max_grad_norm": algorithm.max_grad_norm}
    numbers |= {rate_of_group(number): group["lr"] for number, group in enumerate(groups)}
    if update.clip_range_vf is not None:
        numbers["clip_range_vf"] = update.clip_range_vf
    return numbers | {f"limit {index}": limit for index, (_, limit) in enumerate(update.conditions)}


def rate_of_group(number: int) -> str:
    """The name of the learning rate of a parameter group among the numbers.

    :param number: of the group
    """
    return f"learning rate {number}"
