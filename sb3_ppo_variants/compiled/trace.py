"""A step of the optimiser as a pure function, traced: losses, gradient, clipping and Adam in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch as th
from torch.utils._pytree import tree_structure, tree_unflatten

from sb3_ppo_variants.compiled.adam import adam
from sb3_ppo_variants.compiled.check import CheckTimes
from sb3_ppo_variants.compiled.decompositions import once
from sb3_ppo_variants.compiled.inputs import Inputs, StepState, rate_of_group
from sb3_ppo_variants.compiled.native import Function, in_place_of, native
from sb3_ppo_variants.compiled.snapshot import policy_roots
from sb3_ppo_variants.compiled.unsupported import refuse_hooks, refuse_hooks_of_parameters
from sb3_ppo_variants.kl import Distributions
from sb3_ppo_variants.loop.losses import LossComputation
from sb3_ppo_variants.loop.rollout import select_rows
from sb3_ppo_variants.loop.update import Update
from sb3_ppo_variants.minibatch import Minibatch, OldPolicy


@dataclass(frozen=True)
class TracedStep:
    """A step in native code, and the names of what it returns after the scalars.

    :param run: the native function
    :param prepared: what the terms prepared
    :param kl: directions of the exact divergences that the terms asked for
    :param used: for each trained parameter, whether it has a gradient
    :param times: when it is checked
    """

    run: Function
    prepared: list[str]
    kl: list[Any]
    used: list[bool]
    times: CheckTimes = field(default_factory=CheckTimes)


def step_roots(algorithm: Any, update: Update) -> dict[str, Any]:
    """Everything that the code of a step can see, as in :class:`.Snapshot`.

    :param algorithm: the model
    :param update: about to begin
    """
    functions = {f"objective[{index}]": term.function for index, term in enumerate(update.chain.terms)}
    losses = enumerate(update.regularizers.regularizers)
    functions |= {f"regularizers[{index}]": part.function for index, part in losses}
    measures = {f"stop[{index}]": measure for index, (measure, _) in enumerate(update.conditions)}
    return policy_roots(algorithm.policy) | {"model": algorithm} | functions | measures


def structure(algorithm: Any, update: Update, state: StepState, tensors: Sequence[th.Tensor]) -> tuple[Any, ...]:
    """What a traced step takes for granted besides what its code sees; another structure needs another trace.

    :param algorithm: the model
    :param update: about to begin
    :param state: what it works on
    :param tensors: of its inputs, flat
    """
    return (
        len(update.chain.terms),
        len(update.regularizers.regularizers),
        update.needs_kl,
        None if update.old is None else update.old.distributions.family,
        tuple(algorithm._options().items()),
        tuple(algorithm._hook_values().items()),
        algorithm.normalize_advantage,
        tuple(state.numbers),
        (state.groups[0]["betas"], state.groups[0]["eps"], tuple(state.rates)),
        tuple((tensor.shape, tensor.stride(), tensor.dtype, tensor.device) for tensor in tensors),
    )


def trace_step(algorithm: Any, update: Update, state: StepState, inputs: Inputs) -> TracedStep:
    """Native code for the step of an update.

    :param algorithm: the model
    :param update: about to begin
    :param state: what it works on
    :param inputs: of the step
    """
    spec = tree_structure(inputs)

    def function(flat: Sequence[th.Tensor]) -> tuple[list[th.Tensor], Any]:
        inputs: Inputs = tree_unflatten(list(flat), spec)
        values = dict(zip(state.numbers, inputs.coefficients.unbind(), strict=True))
        with_tensors = _with_tensors(update, values, algorithm._options(), inputs)
        losses, gradients = _losses_and_gradients(algorithm, with_tensors, state, inputs)
        stopped = _stopped(losses.minibatch, with_tensors)
        norm = _clip_and_step(inputs, gradients, values, stopped, state)
        used = [gradient is not None for gradient in gradients]
        minibatch, kl = losses.minibatch, losses.minibatch.computed_kl
        scalars = th.stack([*losses.scalars(norm), stopped.float()])
        named = [*minibatch.prepared.values(), *kl.values()]
        outputs = [scalars, minibatch.advantages, minibatch.log_ratio, minibatch.ratio, *named]
        return outputs, (list(minibatch.prepared), list(kl), used)

    refuse_hooks(algorithm.policy)
    refuse_hooks_of_parameters(algorithm.policy)
    roots = step_roots(algorithm, update)
    run, (prepared, kl, used) = native(function, inputs.tensors, roots, inputs.number_in_place)
    return TracedStep(run, prepared, kl, used)


def _losses_and_gradients(
    algorithm: LossComputation, update: Update, state: StepState, inputs: Inputs
) -> tuple[Any, tuple[th.Tensor | None, ...]]:
    old = None
    if update.old is not None:
        distributions = Distributions(update.old.distributions.family, tuple(inputs.old))
        features = inputs.features[0] if inputs.features else None
        old = OldPolicy(distributions, inputs.prepared, features).select_rows(inputs.indices)
    leaves = [parameter.detach().requires_grad_() for parameter in inputs.parameters]
    tensors_of = dict(zip([*state.trained, *state.others], [*leaves, *inputs.others], strict=True))
    with th.enable_grad(), in_place_of(algorithm.policy, tensors_of):
        samples, *apart = (select_rows(inputs.rollout, indices) for indices in (inputs.indices, *inputs.apart))
        losses = algorithm._losses(samples, old, update, *apart[:1])
        gradients = th.autograd.grad(losses.total, leaves, allow_unused=True)
        if apart:
            with th.no_grad():
                now = algorithm._distributions_at(apart[1])
            for tensor, new in zip(inputs.before, now.tensors, strict=True):
                tensor.copy_(new)
    return losses.detach(), gradients


def _with_tensors(
    update: Update, values: Mapping[str, th.Tensor], options: Mapping[str, str], inputs: Inputs
) -> Update:
    """The update with tensors for its numbers, so that they do not become constants of the trace."""
    apart = update.apart
    if apart is not None and apart.before is not None:
        apart = apart.with_before(replace(apart.before, tensors=tuple(inputs.before)))
    limits = [values[f"limit {index}"] for index in range(len(update.conditions))]
    return replace(
        update,
        values=values,
        chain=update.chain.with_values({**values, **options}),
        regularizers=update.regularizers.with_values(values),
        apart=apart,
        clip_range_vf=values.get("clip_range_vf"),
        conditions=[(measure, limit) for (measure, _), limit in zip(update.conditions, limits, strict=True)],
    )


def _stopped(minibatch: Minibatch, update: Update) -> th.Tensor:
    """Whether a condition ends the update before this step, a scalar."""
    reached = [measure(minibatch) > limit for measure, limit in update.conditions]
    return once(th.stack(reached).any()) if reached else th.zeros((), dtype=th.bool, device=minibatch.ratio.device)


def _clip_and_step(
    inputs: Inputs,
    gradients: Sequence[th.Tensor | None],
    values: Mapping[str, th.Tensor],
    stopped: th.Tensor,
    state: StepState,
) -> th.Tensor:
    """Clip the gradient and write a step of Adam over the inputs, unless the update ends here.

    :return: the norm of the gradient before it was clipped
    """
    used = [index for index, gradient in enumerate(gradients) if gradient is not None]
    taken = [gradient for gradient in gradients if gradient is not None]
    norm: th.Tensor = th.linalg.vector_norm(th.stack([th.linalg.vector_norm(gradient) for gradient in taken]))
    scale = once((values["max_grad_norm"] / (norm + 1e-6)).clamp(max=1.0).to(norm.dtype))
    before = [[column[index] for index in used] for column in (inputs.parameters, inputs.averages, inputs.squares)]
    rates = [values[rate_of_group(number)] for number in range(len(state.groups))]
    parameters, averages, squares, _ = adam(
        before[0],
        [gradient * scale for gradient in taken],
        before[1],
        before[2],
        th.stack([inputs.steps[index] for index in used]),
        rates[0] if len(rates) == 1 else th.stack([rates[state.rates[index]] for index in used]),
        betas=state.groups[0]["betas"],
        eps=state.groups[0]["eps"],
    )
    old = [*before[0], *before[1], *before[2], inputs.steps]  # those that are not used have no state to be written to
    for tensor, new in zip(old, [*parameters, *averages, *squares, inputs.steps + 1], strict=True):
        tensor.copy_(th.where(stopped, tensor, new))
    return norm
