"""What a step of the optimiser is a function of: weights, optimiser state, rollout, coefficients, indices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch as th

from sb3_ppo_variants.compiled.adam import ensure_state, plain_group
from sb3_ppo_variants.compiled.native import Unsupported
from sb3_ppo_variants.loop.losses import LossComputation
from sb3_ppo_variants.loop.update import Update


class Inputs(NamedTuple):
    """The tensors of a step. The first three are written by it, in place."""

    parameters: list[th.Tensor]
    averages: list[th.Tensor]
    squares: list[th.Tensor]
    steps: th.Tensor
    others: list[th.Tensor]
    rollout: Any
    old: list[th.Tensor]
    prepared: dict[str, th.Tensor]
    coefficients: th.Tensor
    indices: th.Tensor

    @property
    def number_in_place(self) -> int:
        """Number of tensors, from the first, that the step finds and writes where SB3 keeps them."""
        return len(self.parameters) + len(self.averages) + len(self.squares)


@dataclass(frozen=True)
class StepState:
    """What an update with a plain Adam works on.

    :param group: the one parameter group of the optimiser
    :param trained: the parameters that the optimiser steps, by name
    :param others: all other parameters and the buffers, by name
    :param states: Adam's state of each trained parameter
    :param numbers: every number that may change from update to update, by name
    """

    group: dict[str, Any]
    trained: dict[str, th.Tensor]
    others: dict[str, th.Tensor]
    states: list[dict[str, th.Tensor]]
    numbers: dict[str, float]

    @property
    def steps(self) -> th.Tensor:
        """The number of steps that the optimiser has taken."""
        return self.states[0]["step"]


def step_state(algorithm: LossComputation, update: Update) -> StepState:
    """Find out what an update works on.

    :param algorithm: the model
    :param update: about to begin
    :raises Unsupported: for a rollout buffer or an optimiser that has no way into native code
    """
    policy, optimizer = algorithm.policy, algorithm.policy.optimizer
    if update.rollout is None:
        raise Unsupported(
            f"{type(algorithm.rollout_buffer).__name__} makes minibatches that are more than rows of the rollout"
        )
    group = plain_group(optimizer)
    if group is None:
        kind = type(optimizer).__name__
        raise Unsupported(f"the optimiser is {kind} with other settings, not a plain Adam")
    parameters = dict(policy.named_parameters())
    optimized = {id(parameter) for parameter in group["params"]}
    trained = {name: p for name, p in parameters.items() if p.requires_grad and id(p) in optimized}
    others = {name: p for name, p in parameters.items() if name not in trained} | dict(policy.named_buffers())
    states = ensure_state(optimizer, list(trained.values()))
    if any(not th.equal(state["step"], states[0]["step"]) for state in states):
        raise Unsupported("the optimiser has stepped some parameters more often than others")
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
        steps=state.steps.to(device, copy=True),
        others=[tensor.detach() for tensor in state.others.values()],
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
