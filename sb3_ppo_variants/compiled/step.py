"""A step of the optimiser in native code.

It writes over SB3's own tensors, so that everything that looks at the policy or its optimiser finds them up to date.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import torch as th
from torch.utils._pytree import tree_structure, tree_unflatten
from typing_extensions import Self

from sb3_ppo_variants.compiled.check import (
    TOLERANCE_OF_GRADIENT,
    Quantity,
    copies,
    difference,
    draw_again,
    draws_of,
    write_back,
)
from sb3_ppo_variants.compiled.contents import of_distribution, put_back
from sb3_ppo_variants.compiled.cuda_graph import CudaGraph
from sb3_ppo_variants.compiled.inputs import step_inputs, step_state
from sb3_ppo_variants.compiled.part import Part
from sb3_ppo_variants.compiled.trace import TracedStep, step_roots, structure, trace_step
from sb3_ppo_variants.compiled.unsupported import Ended
from sb3_ppo_variants.loop.execution import EagerStep
from sb3_ppo_variants.loop.records import StepResult
from sb3_ppo_variants.loop.rollout import Draw
from sb3_ppo_variants.loop.update import Update
from sb3_ppo_variants.minibatch import Minibatch


class CompiledStep:
    """The step of one update; as a context, it keeps the optimiser's number of steps.

    :param algorithm: the model
    :param update: about to begin
    :param part: the traces of earlier updates, and what is said of this one
    :raises Unsupported: for what has no way into native code
    :raises Exception: whatever the compiler raises
    """

    def __init__(self, algorithm: Any, update: Update, part: Part) -> None:
        self._algorithm, self._part = algorithm, part
        self._eager = EagerStep(algorithm, update)
        self._may_stop = bool(update.conditions)  # a GPU has to be waited for, to know
        self._state = state = step_state(algorithm, update)
        self._inputs = step_inputs(algorithm, update, state)
        if len(update.rollout.advantages) % len(self._inputs.indices):
            part.warn_once("the last minibatch, which is smaller than the others")
        self._tensors = self._inputs.tensors
        key = (part.state(step_roots(algorithm, update)), structure(algorithm, update, state, self._tensors))
        self._traced: TracedStep = part.trace(key, lambda: trace_step(algorithm, update, state, self._inputs))
        if isinstance(self._traced.run, CudaGraph):
            self._tensors = self._traced.run.place(self._tensors)
            self._inputs = tree_unflatten(self._tensors, tree_structure(self._inputs))
        update.rollout = self._inputs.rollout  # on a GPU the graph's own, for hooks that change it
        self._shape = tuple(self._inputs.indices.shape)
        self._taken = 0
        # In the first step the ratio is 1, where a term may have a kink, and a rounding error gives another gradient.
        # With a hook before each epoch this object is of one epoch alone.
        epochs = 1 if any(hook.changes_steps for hook in algorithm._hooks) else algorithm.n_epochs
        self._checked_at = min(2, len(update.rollout.advantages) // len(self._inputs.indices) * epochs)
        self._is_first, self._is_checked = self._traced.times.is_first, self._traced.times.due()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._write_state()

    def __call__(self, draw: Draw) -> StepResult:
        """Take a step; a smaller last minibatch takes it in eager mode.

        :param draw: the minibatch
        """
        if draw.indices is None or draw.indices.shape != self._shape:
            return self._in_eager_mode(draw)
        if self._part.ended:
            return self._in_eager_mode(draw)
        self._taken += 1
        if self._is_checked and self._taken == self._checked_at:
            return self._checked(draw)
        if self._is_first and self._taken == 1:
            return self._checked(draw, gradient=False)
        return self._in_native_code(draw)

    def _in_native_code(self, draw: Draw) -> StepResult:
        self._inputs.indices.copy_(th.from_numpy(draw.indices))
        for tensor, indices in zip(self._inputs.apart, draw.apart or (), strict=True):
            tensor.copy_(th.from_numpy(indices))
        scalars, advantages, log_ratio, ratio, *named = self._traced.run(self._tensors)
        prepared = dict(zip(self._traced.prepared, named, strict=False))
        kl = dict(zip(self._traced.kl, named[len(prepared) :], strict=True))
        minibatch = Minibatch.from_tensors(advantages, log_ratio, ratio, prepared, kl)
        return StepResult(minibatch, scalars[:-1], self._may_stop and bool(scalars[-1]))

    def _in_eager_mode(self, draw: Draw) -> StepResult:
        """Take a step as the eager loop does, and leave nothing of it but the step: no gradients, no graph."""
        policy = self._algorithm.policy
        distribution = of_distribution(policy)
        before = dict(distribution)
        self._write_state(all_used=True)
        result = self._eager(draw)
        self._inputs.steps.copy_(self._state.steps)
        policy.optimizer.zero_grad()
        put_back(distribution, before)
        return result

    def _checked(self, draw: Draw, gradient: bool = True) -> StepResult:
        """Take a step in both ways, and compare them; the eager one counts where they differ.

        :param draw: the minibatch
        :param gradient: whether the gradient is compared as well
        """
        device = self._inputs.steps.device
        before, draws = copies(self._inputs.written), draws_of(device)
        eager = self._in_eager_mode(draw)
        averages, others = copies(self._inputs.averages), copies(self._inputs.others)
        write_back(self._inputs.written, before)
        draw_again(device, draws)
        try:
            native = self._in_native_code(draw)
            quantities = self._losses(native, eager)
            if gradient and not native.stopped and not eager.stopped:
                quantities += [*self._gradients(native, eager, before, averages), *self._buffers(others)]
            found = difference(quantities)
            reason = None if found is None else f"{found} from eager mode, which is more than rounding"
        except Exception as error:
            reason = f"the library fails when it runs: {error}"
        if reason is None:
            return native
        write_back(self._inputs.written, before)
        draw_again(device, draws)
        eager = self._in_eager_mode(draw)  # once more: a copy of its whole state would take memory in every check
        self._part.leave(Ended(reason))
        return eager

    def _losses(self, native: StepResult, eager: StepResult) -> list[Quantity]:
        mine, theirs = native.scalars, eager.scalars
        of_returns = float(self._inputs.rollout.returns.square().mean())
        of_advantages = float(eager.minibatch.advantages.abs().mean())
        return [
            Quantity("the ratio", native.minibatch.ratio, eager.minibatch.ratio),
            Quantity("the policy loss", mine[0], theirs[0], of_advantages),
            Quantity("the value loss", mine[1], theirs[1], 0.01 * of_returns),
            Quantity("the entropy loss", mine[2], theirs[2]),
            *(
                Quantity(f"the loss of regularizer {index}", native, eager, of_advantages)
                for index, (native, eager) in enumerate(zip(mine[5:], theirs[5:], strict=True))
            ),
        ]

    def _gradients(
        self, native: StepResult, eager: StepResult, before: Sequence[th.Tensor], averages: Sequence[th.Tensor]
    ) -> list[Quantity]:
        """The gradient is what a step adds to Adam's averages."""
        number, beta = len(averages), self._state.groups[0]["betas"][0]
        native_one, eager_one = (
            [(new - beta * old) / (1 - beta) for new, old in zip(after, before[number : 2 * number], strict=True)]
            for after in (self._inputs.averages, averages)
        )
        small = 1e-3 * (1 + float(self._inputs.rollout.returns.square().mean().sqrt()))
        typical = small / math.sqrt(sum(tensor.numel() for tensor in eager_one))
        tolerance = TOLERANCE_OF_GRADIENT
        return [
            Quantity("the norm of the gradient", native.scalars[4], eager.scalars[4], small, tolerance),
            Quantity("the gradient", native_one, eager_one, typical, tolerance),
        ]

    def _buffers(self, others: Sequence[th.Tensor]) -> list[Quantity]:
        return [
            Quantity(f"the buffer {name}", native, eager, scale=0.01)
            for (name, tensor), native, eager in zip(
                self._state.others.items(), self._inputs.others, others, strict=True
            )
            if not isinstance(tensor, th.nn.Parameter)
        ]

    def _write_state(self, *, all_used: bool = False) -> None:
        """Write the number of steps into the optimiser's state, and the state of a parameter into the optimiser.

        :param all_used: also that of parameters that have taken no step yet
        """
        optimizer = self._algorithm.policy.optimizer
        columns = (self._state.trained.values(), self._state.states, self._inputs.steps.tolist(), self._traced.used)
        for parameter, state, steps, used in zip(*columns, strict=True):
            if used and (steps > 0 or all_used):
                state["step"].fill_(steps)
                optimizer.state[parameter] = state
