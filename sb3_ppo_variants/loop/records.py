"""The records that a minibatch passes through: evaluated samples, losses, the result of a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch as th

from sb3_ppo_variants.minibatch import Minibatch


class EvaluatedSamples(NamedTuple):
    """A minibatch under the current policy; all tensors have the shape ``(batch,)``."""

    values: th.Tensor
    log_prob: th.Tensor
    entropy: th.Tensor | None
    old_values: th.Tensor
    old_log_prob: th.Tensor
    advantages: th.Tensor
    returns: th.Tensor

    def select_rows(self, valid: th.Tensor) -> EvaluatedSamples:
        """Some of the samples.

        :param valid: boolean, shape ``(batch,)``
        """
        columns = (None if column is None else column[valid] for column in self)
        return EvaluatedSamples(*columns)  # type: ignore[arg-type]


class Losses(NamedTuple):
    """The losses of a minibatch, scalars, and what the policy loss was made of.

    ``regularizers`` has the losses of the regularizers, which are in the total.
    """

    minibatch: Minibatch
    policy: th.Tensor
    value: th.Tensor
    entropy: th.Tensor
    total: th.Tensor
    regularizers: Sequence[th.Tensor] = ()

    def detach(self) -> Losses:
        """The same numbers without their graph."""
        policy, value, entropy, total = (loss.detach() for loss in self[1:5])
        regularizers = [loss.detach() for loss in self.regularizers]
        return Losses(self.minibatch.detach(), policy, value, entropy, total, regularizers)

    def scalars(self, norm: th.Tensor) -> list[th.Tensor]:
        """The losses of policy, value, entropy and in total, the norm of the gradient, those of the regularizers.

        :param norm: of the gradient
        """
        return [self.policy, self.value, self.entropy, self.total, norm, *self.regularizers]


class StepResult(NamedTuple):
    """What a step of the optimiser leaves.

    :param minibatch: detached
    :param scalars: as :meth:`Losses.scalars` gives them, with the norm of the gradient before it was clipped, detached
    :param stopped: whether the update ended before this step, which was then not taken; its norm means nothing
    """

    minibatch: Minibatch
    scalars: th.Tensor
    stopped: bool = False

    @classmethod
    def of(cls, losses: Losses, norm: th.Tensor | None = None) -> StepResult:
        """The result of a step in eager mode.

        :param losses: detached
        :param norm: of the gradient; ``None`` for a step that was not taken
        """
        scalars = losses.scalars(losses.total if norm is None else norm)
        return cls(losses.minibatch, th.stack(scalars), norm is None)
