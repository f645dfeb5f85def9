"""What one update works with: the coefficients as used, the old policy, and the losses' ingredients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch as th

from sb3_ppo_variants.chain import BoundChain, OldPolicy
from sb3_ppo_variants.statistics import UpdateStatistics


@dataclass
class Update:
    """One update under way.

    :param values: every coefficient as used
    :param chain: the objective with these coefficients
    :param old: the policy before the update, if anyone asked for it
    :param kl: exact divergence of every valid step after the epoch just done, shape ``(n,)``, if it was measured
    :param statistics: what the update leaves behind
    """

    values: Mapping[str, float]
    chain: BoundChain
    old: OldPolicy | None
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
