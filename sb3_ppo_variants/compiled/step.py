"""The update step as native code: losses, gradient, clipping and Adam in one call.

Inside it is a pure function of parameters, optimiser state, rollout, indices and coefficients; what is new is then
written over SB3's own tensors, so that everything that looks at the policy or its optimiser finds them as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch as th
from torch.utils._pytree import tree_flatten, tree_unflatten

from sb3_ppo_variants.compiled.adam import adam, ensure_state, plain_group
from sb3_ppo_variants.compiled.cuda_graph import CudaGraph
from sb3_ppo_variants.compiled.native import Function, Unsupported, in_place_of, native
from sb3_ppo_variants.kl import Parameters
from sb3_ppo_variants.loop.losses import LossComputation
from sb3_ppo_variants.loop.rollout import Draw, rows
from sb3_ppo_variants.loop.statistics import Losses
from sb3_ppo_variants.loop.update import Step, Update
from sb3_ppo_variants.minibatch import Minibatch, OldPolicy


class Inputs(NamedTuple):
    """What a step is a function of."""

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


@dataclass
class _Traced:
    """A step in native code, and the names of what it returns besides the scalars."""

    run: Function
    prepared: list[str]
    kl: list[Any]


class StepCompiler:
    """The compiled steps of a model: one for each set of active terms and shapes, made when it is first needed.

    :param algorithm: the model
    """

    def __init__(self, algorithm: LossComputation) -> None:
        self._algorithm = algorithm
        self._traced: dict[Any, _Traced] = {}

    def step(self, update: Update) -> CompiledStep:
        """The step of an update.

        :param update: about to begin
        :raises Unsupported: for what it has no way to do
        :raises Exception: whatever the compiler raises
        """
        algorithm = self._algorithm
        if update.rollout is None:
            raise Unsupported(
                f"{type(algorithm.rollout_buffer).__name__} makes minibatches that are more than rows of the rollout"
            )
        group = plain_group(algorithm.policy.optimizer)
        if group is None:
            kind = type(algorithm.policy.optimizer).__name__
            raise Unsupported(f"the optimiser is {kind} with arguments of its own, and not a plain Adam")
        return CompiledStep(algorithm, update, group, self._traced)


class CompiledStep:
    """The step of one update.

    :param algorithm: the model
    :param update: about to begin
    :param group: of the optimiser
    :param known: what was traced before
    """

    def __init__(
        self, algorithm: LossComputation, update: Update, group: Mapping[str, Any], known: dict[Any, _Traced]
    ) -> None:
        named = dict(algorithm.policy.named_parameters())
        optimized = {id(parameter) for parameter in group["params"]}
        self.trained = [name for name, p in named.items() if p.requires_grad and id(p) in optimized]
        others = {name: p for name, p in named.items() if name not in self.trained}
        others |= dict(algorithm.policy.named_buffers())
        self.others = list(others)
        self._states = ensure_state(algorithm.policy.optimizer, [named[name] for name in self.trained])
        steps = self._states[0]["step"]
        if any(not th.equal(state["step"], steps) for state in self._states):
            raise Unsupported("the optimiser has stepped some parameters more often than others")
        self.coefficients = _coefficients(algorithm, update, group)
        self.batch_size = algorithm.batch_size
        self._may_stop = bool(update.conditions)  # a GPU has to be waited for, to know
        inputs = Inputs(
            [named[name].detach() for name in self.trained],
            [state["exp_avg"] for state in self._states],
            [state["exp_avg_sq"] for state in self._states],
            steps.to(algorithm.device, copy=True),
            [tensor.detach() for tensor in others.values()],
            update.rollout,
            [] if update.old is None else list(update.old.distribution.tensors),
            {} if update.old is None else dict(update.old.prepared),
            th.tensor(list(self.coefficients.values()), dtype=th.float64, device=algorithm.device),
            th.arange(min(self.batch_size, len(update.rollout.advantages)), device=algorithm.device),
        )
        self._inputs, spec = tree_flatten(inputs)
        key = _structure(algorithm, update, group, self._inputs)
        if key not in known:
            known[key] = _trace(algorithm, update, group, self, spec)
        self._traced = known[key]
        if isinstance(self._traced.run, CudaGraph):
            self._inputs = self._traced.run.place(self._inputs)
        self._steps: th.Tensor = tree_unflatten(self._inputs, spec).steps

    def takes(self, draw: Draw) -> bool:
        """Whether a minibatch has the size that the step was compiled for.

        :param draw: the minibatch
        """
        return draw.indices is not None and len(draw.indices) == len(self._inputs[-1])

    def __call__(self, draw: Draw) -> Step:
        """One step.

        :param draw: a minibatch that it takes
        """
        assert draw.indices is not None
        self._inputs[-1].copy_(th.from_numpy(draw.indices))
        scalars, *tensors = self._traced.run(self._inputs)
        policy, value, entropy, total, norm, stopped = scalars.unbind()
        advantages, log_ratio, ratio, *named = tensors
        prepared = dict(zip(self._traced.prepared, named, strict=False))
        kl = dict(zip(self._traced.kl, named[len(prepared) :], strict=True))
        minibatch = Minibatch.from_tensors(advantages, log_ratio, ratio, prepared, kl)
        return Step(Losses(minibatch, policy, value, entropy, total), norm, self._may_stop and bool(stopped))

    def store_count(self) -> None:
        """Write the number of steps into the optimiser's state; all else is there already."""
        steps = self._steps.cpu()
        for state in self._states:
            state["step"].copy_(steps)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """For a block in which the optimiser takes steps of its own."""
        self.store_count()
        yield
        self._steps.copy_(self._states[0]["step"])


def _coefficients(algorithm: Any, update: Update, group: Mapping[str, Any]) -> dict[str, float]:
    """Every number that may change from update to update."""
    numbers = dict(update.values) | {"learning_rate": group["lr"], "max_grad_norm": algorithm.max_grad_norm}
    if update.clip_range_vf is not None:
        numbers["clip_range_vf"] = update.clip_range_vf
    return numbers | {f"limit {index}": limit for index, (_, limit) in enumerate(update.conditions)}


def _structure(
    algorithm: Any, update: Update, group: Mapping[str, Any], inputs: Sequence[th.Tensor]
) -> tuple[Any, ...]:
    """Everything that a compiled step takes for granted."""
    return (
        tuple(term.function for term in update.chain.terms),
        tuple(algorithm._options().items()),
        tuple(measure for measure, _ in update.conditions),
        algorithm.normalize_advantage,
        update.clip_range_vf is None,
        (group["betas"], group["eps"]),
        th.get_num_threads(),
        tuple((tensor.shape, tensor.stride(), tensor.dtype, tensor.device) for tensor in inputs),
    )


def _trace(algorithm: Any, update: Update, group: Mapping[str, Any], step: CompiledStep, spec: Any) -> _Traced:
    """Native code for the step of an update."""
    traced = _Traced(_nothing, [], [])
    trained, others, names = step.trained, step.others, list(step.coefficients)
    family = None if update.old is None else update.old.distribution.family

    def function(tensors: Sequence[th.Tensor]) -> list[th.Tensor]:
        inputs: Inputs = tree_unflatten(list(tensors), spec)
        values = dict(zip(names, inputs.coefficients.unbind(), strict=True))
        mine = _with_tensors(update, values, algorithm._options())
        old = family and OldPolicy(Parameters(family, tuple(inputs.old)), inputs.prepared).rows(inputs.indices)
        leaves = [parameter.detach().requires_grad_() for parameter in inputs.parameters]
        tensors_of = dict(zip([*trained, *others], [*leaves, *inputs.others], strict=True))
        with th.enable_grad(), in_place_of(algorithm.policy, tensors_of):
            losses = algorithm._losses(rows(inputs.rollout, inputs.indices), old, mine)
            gradients = th.autograd.grad(losses.total, leaves, allow_unused=True)
        losses = losses.detach()
        stopped = _stopped(losses.minibatch, mine)
        norm = _step(inputs, gradients, values, stopped, group)
        scalars = th.stack([*losses[1:], norm, stopped.float()])
        kept = losses.minibatch.tensors()
        traced.prepared, traced.kl = list(kept["prepared"]), list(kept["kl"])
        return [
            scalars,
            *(kept[name] for name in ("advantages", "log_ratio", "ratio")),
            *kept["prepared"].values(),
            *kept["kl"].values(),
        ]

    distribution = vars(algorithm.policy.action_dist).copy()
    try:
        traced.run = native(function, step._inputs, fixed=3 * len(trained))
    finally:
        vars(algorithm.policy.action_dist).update(distribution)  # without what the trace has left there
    return traced


def _nothing(tensors: Sequence[th.Tensor]) -> Sequence[th.Tensor]:
    return tensors


def _with_tensors(update: Update, values: Mapping[str, th.Tensor], options: Mapping[str, str]) -> Update:
    """The update with its numbers as tensors, so that they do not become constants of the compiled step."""
    limits = [values[f"limit {index}"] for index in range(len(update.conditions))]
    return replace(
        update,
        values=values,
        chain=update.chain.with_values({**values, **options}),
        clip_range_vf=values.get("clip_range_vf"),
        conditions=[(measure, limit) for (measure, _), limit in zip(update.conditions, limits, strict=True)],
    )


def _stopped(minibatch: Minibatch, update: Update) -> th.Tensor:
    """Whether a condition ends the update before this step, a scalar."""
    reached = [measure(minibatch) > limit for measure, limit in update.conditions]
    return th.stack(reached).any() if reached else th.zeros((), dtype=th.bool, device=minibatch.ratio.device)


def _step(
    inputs: Inputs,
    gradients: Sequence[th.Tensor | None],
    values: Mapping[str, th.Tensor],
    stopped: th.Tensor,
    group: Mapping[str, Any],
) -> th.Tensor:
    """Clip the gradient and write a step of Adam over the inputs, unless the update ends here.

    :return: the norm of the gradient before it was clipped
    """
    used = [index for index, gradient in enumerate(gradients) if gradient is not None]
    taken = [gradient for gradient in gradients if gradient is not None]
    norm: th.Tensor = th.linalg.vector_norm(th.stack([th.linalg.vector_norm(gradient) for gradient in taken]))
    scale = (values["max_grad_norm"] / (norm + 1e-6)).clamp(max=1.0).to(norm.dtype)
    before = [[column[index] for index in used] for column in inputs[:3]]
    parameters, averages, squares, steps = adam(
        before[0],
        [gradient * scale for gradient in taken],
        before[1],
        before[2],
        inputs.steps,
        values["learning_rate"],
        betas=group["betas"],
        eps=group["eps"],
    )
    old = [*before[0], *before[1], *before[2], inputs.steps]
    for tensor, new in zip(old, [*parameters, *averages, *squares, steps], strict=True):
        tensor.copy_(th.where(stopped, tensor, new))
    return norm
