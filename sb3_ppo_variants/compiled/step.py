"""A step of the optimiser in native code.

It writes over SB3's own tensors, so that everything that looks at the policy or its optimiser finds them up to date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import torch as th
from torch.utils._pytree import tree_flatten, tree_unflatten
from typing_extensions import Self

from sb3_ppo_variants.compiled.cuda_graph import CudaGraph
from sb3_ppo_variants.compiled.inputs import Inputs, step_inputs, step_state
from sb3_ppo_variants.compiled.trace import TracedStep, structure, trace_step
from sb3_ppo_variants.loop.execution import EagerStep
from sb3_ppo_variants.loop.losses import LossComputation
from sb3_ppo_variants.loop.records import Losses, StepResult
from sb3_ppo_variants.loop.rollout import Draw
from sb3_ppo_variants.loop.update import Update
from sb3_ppo_variants.minibatch import Minibatch


class CompiledStep:
    """The step of one update; as a context, it keeps the optimiser's number of steps.

    :param algorithm: the model
    :param update: about to begin
    :param traced: the steps that were traced before, by their structure; a new one is added
    :param warn_once: called with what runs in eager mode
    :raises Unsupported: for what has no way into native code
    :raises Exception: whatever the compiler raises
    """

    def __init__(
        self,
        algorithm: LossComputation,
        update: Update,
        traced: dict[Any, TracedStep],
        warn_once: Callable[[str], None],
    ) -> None:
        self._eager, self._warn_once = EagerStep(algorithm, update), warn_once
        self._may_stop = bool(update.conditions)  # a GPU has to be waited for, to know
        state = step_state(algorithm, update)
        self._states = state.states
        self._tensors, spec = tree_flatten(step_inputs(algorithm, update, state))
        key = structure(algorithm, update, state, self._tensors)
        if key not in traced:
            traced[key] = trace_step(algorithm, update, state, self._tensors, spec)
        self._traced = traced[key]
        if isinstance(self._traced.run, CudaGraph):
            self._tensors = self._traced.run.place(self._tensors)
        self._inputs: Inputs = tree_unflatten(self._tensors, spec)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._write_step_count()

    def __call__(self, draw: Draw) -> StepResult:
        """Take a step; a smaller last minibatch takes it in eager mode.

        :param draw: the minibatch
        """
        if draw.indices is None or len(draw.indices) != len(self._inputs.indices):
            self._warn_once("the last minibatch, which is smaller than the others")
            with self._optimizer_in_sync():
                return self._eager(draw)
        self._inputs.indices.copy_(th.from_numpy(draw.indices))
        scalars, advantages, log_ratio, ratio, *named = self._traced.run(self._tensors)
        policy, value, entropy, total, norm, stopped = scalars.unbind()
        prepared = dict(zip(self._traced.prepared, named, strict=False))
        kl = dict(zip(self._traced.kl, named[len(prepared) :], strict=True))
        minibatch = Minibatch.from_tensors(advantages, log_ratio, ratio, prepared, kl)
        return StepResult(Losses(minibatch, policy, value, entropy, total), norm, self._may_stop and bool(stopped))

    def _write_step_count(self) -> None:
        """Write the number of steps into the optimiser's state; all else is there already."""
        steps = self._inputs.steps.cpu()
        for state in self._states:
            state["step"].copy_(steps)

    @contextmanager
    def _optimizer_in_sync(self) -> Iterator[None]:
        """A block in which the optimiser takes steps itself."""
        self._write_step_count()
        yield
        self._inputs.steps.copy_(self._states[0]["step"])
