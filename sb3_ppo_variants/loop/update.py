"""What one update works with: the coefficients as used, the old policy, and the losses' ingredients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch as th

from sb3_ppo_variants.chain import BoundChain
from sb3_ppo_variants.loop.statistics import Losses, UpdateStatistics
from sb3_ppo_variants.minibatch import Minibatch, OldPolicy


@dataclass
class Update:
    """One update under way.

    :param values: every coefficient as used
    :param chain: the objective with these coefficients
    :param parameters: of the policy, whose gradient is clipped; listed once, for the search takes its time
    :param clip_range_vf: of the value function, if that is clipped
    :param old: the policy before the update, if anyone asked for it
    :param conditions: measures of a minibatch, each a scalar, with a limit that ends the update before its step
    :param rollout: all samples on the device in storage order; ``None`` where the buffer makes its own minibatches
    :param compiled: the step in native code, a :class:`.compiled.step.CompiledStep`, where it is wanted and possible
    :param kl: exact divergence of every valid step after the epoch just done, shape ``(n,)``, if it was measured
    :param statistics: what the update leaves behind
    """

    values: Mapping[str, Any]
    chain: BoundChain
    parameters: Sequence[th.Tensor]
    clip_range_vf: Any = None
    old: OldPolicy | None = None
    conditions: Sequence[tuple[Callable[[Minibatch], th.Tensor], Any]] = ()
    rollout: Any = None
    compiled: Any = None
    kl: th.Tensor | None = None
    statistics: UpdateStatistics = field(default_factory=UpdateStatistics)


class Evaluation(NamedTuple):
    """What the losses of a minibatch are made of; all tensors have the shape ``(batch,)``."""

    values: th.Tensor
    log_prob: th.Tensor
    entropy: th.Tensor | None
    old_values: th.Tensor
    old_log_prob: th.Tensor
    advantages: th.Tensor
    returns: th.Tensor

    def rows(self, valid: th.Tensor) -> Evaluation:
        """The rows that are wanted.

        :param valid: boolean, shape ``(batch,)``
        """
        return Evaluation(*(None if column is None else column[valid] for column in self))  # type: ignore[arg-type]


class Step(NamedTuple):
    """A step of the optimiser, or the one that was left out because the update ended there.

    :param losses: of the minibatch, detached
    :param grad_norm: norm of the gradient before it was clipped
    :param stopped: whether the update ended before this step
    """

    losses: Losses
    grad_norm: th.Tensor
    stopped: bool = False
