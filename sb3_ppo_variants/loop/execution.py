"""How steps are taken and rollouts are made: in eager mode, as SB3 does it.

:mod:`.compiled.compiler` has the same methods in native code.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch as th

from sb3_ppo_variants.loop.passes import RolloutPasses
from sb3_ppo_variants.loop.records import StepResult
from sb3_ppo_variants.loop.rollout import Draw, check_indices, select_rows
from sb3_ppo_variants.loop.update import Update

Step = Callable[[Draw], StepResult]
CollectRollouts = Callable[..., bool]


class Execution(Protocol):
    """What the training loop asks of the way in which it is executed."""

    def step(self, update: Update) -> AbstractContextManager[Step]:
        """A block in which the steps of an update are taken.

        :param update: about to begin
        """

    def collect_rollouts(self, stock: CollectRollouts, *args: Any, **kwargs: Any) -> bool:
        """Collect a rollout.

        :param stock: the method of the stock class
        :param args: of it
        :param kwargs: of it
        """


class EagerExecution:
    """Eager mode: torch runs one operation after the other.

    :param algorithm: the model
    """

    def __init__(self, algorithm: RolloutPasses) -> None:
        self._algorithm = algorithm

    def step(self, update: Update) -> AbstractContextManager[Step]:
        """A block in which the steps of an update are taken.

        :param update: about to begin
        """
        return nullcontext(EagerStep(self._algorithm, update))

    def collect_rollouts(self, stock: CollectRollouts, *args: Any, **kwargs: Any) -> bool:
        """Collect a rollout as SB3 does.

        :param stock: the method of the stock class
        :param args: of it
        :param kwargs: of it
        """
        return stock(*args, **kwargs)


class EagerStep:
    """One step of the optimiser, unless a condition ends the update before it.

    :param algorithm: the model
    :param update: in progress
    """

    def __init__(self, algorithm: RolloutPasses, update: Update) -> None:
        self._algorithm, self._update = algorithm, update

    def __call__(self, draw: Draw) -> StepResult:
        """Take a step.

        :param draw: the minibatch
        """
        algorithm, update = self._algorithm, self._update
        samples = select_rows(update.rollout, draw.indices) if draw.samples is None else draw.samples
        apart = None if draw.apart is None else algorithm._samples_at(draw.apart[0], update)
        old = None
        if update.old is not None and update.reads_old:
            check_indices(draw, algorithm.rollout_buffer)
            old = update.old.select_rows(th.as_tensor(draw.indices, device=algorithm.device))
        losses = algorithm._losses(samples, old, update, apart)
        detached = losses.detach()
        if any(bool(measure(detached.minibatch) > limit) for measure, limit in update.conditions):
            return StepResult.of(detached)
        optimizer = algorithm.policy.optimizer
        optimizer.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        if draw.apart is not None:
            algorithm._keep_apart(draw.apart[1], update)
        norm = th.nn.utils.clip_grad_norm_(update.parameters.values(), algorithm.max_grad_norm)
        optimizer.step()
        return StepResult.of(detached, norm.detach())
