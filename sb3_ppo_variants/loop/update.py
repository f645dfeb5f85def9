"""An update in progress: the coefficients in use, the old policy, and the statistics that are logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch as th

from sb3_ppo_variants.chain import BoundChain
from sb3_ppo_variants.loop.records import StepResult
from sb3_ppo_variants.minibatch import Minibatch, OldPolicy


class UpdateStatistics:
    """What one update leaves behind: detached tensors, read once when the update is over."""

    def __init__(self) -> None:
        self.policy_losses: list[th.Tensor] = []
        self.value_losses: list[th.Tensor] = []
        self.entropy_losses: list[th.Tensor] = []
        self.grad_norms: list[th.Tensor] = []
        self.minibatches: list[Minibatch] = []
        self.epoch_start = 0
        self.loss = th.zeros(())

    def start_epoch(self) -> None:
        """Remember where the epoch begins: stock's ``train/approx_kl`` is the mean over the last epoch alone."""
        self.epoch_start = len(self.minibatches)

    def record(self, result: StepResult) -> None:
        """Keep what a step leaves.

        :param result: of the step
        """
        losses = result.losses
        self.minibatches.append(losses.minibatch)
        self.policy_losses.append(losses.policy)
        self.value_losses.append(losses.value)
        self.entropy_losses.append(losses.entropy)
        self.loss = losses.total
        if not result.stopped:
            self.grad_norms.append(result.grad_norm)

    def of_epoch(self) -> dict[str, list[th.Tensor]]:
        """What must be finite in the epoch at hand, in the order in which one spoils the next."""
        start = self.epoch_start
        return {
            "the ratio": [minibatch.ratio for minibatch in self.minibatches[start:]],
            "the policy loss": self.policy_losses[start:],
            "the value loss": self.value_losses[start:],
            "the entropy loss": self.entropy_losses[start:],
            "the gradient": self.grad_norms[start:],
        }

    def summary(self, clip_range: float) -> dict[str, float]:
        """The statistics under the names that they are logged by, without ``train/``.

        :param clip_range: as used in the update
        """
        ratios = [minibatch.ratio for minibatch in self.minibatches]
        change = th.abs(th.cat(ratios) - 1)
        outside = th.split((change > clip_range).float(), [len(ratio) for ratio in ratios])
        approx_kls = [approx_kl(minibatch) for minibatch in self.minibatches[self.epoch_start :]]
        return {
            "entropy_loss": _mean(self.entropy_losses),
            "policy_gradient_loss": _mean(self.policy_losses),
            "value_loss": _mean(self.value_losses),
            # Single precision, as in SB3.
            "approx_kl": np.mean(th.stack(approx_kls).cpu().numpy()),
            "clip_fraction": _mean([part.mean() for part in outside]),
            "loss": self.loss.item(),
            "ratio_max": th.cat(ratios).max().item(),
            "ratio_deviation": change.mean().item(),
            "gradient_steps": len(self.grad_norms),
            # An early stop in the very first minibatch leaves no gradient to speak of.
            **({"grad_norm": _mean(self.grad_norms)} if self.grad_norms else {}),
        }


@dataclass
class Update:
    """One update in progress.

    :param values: every coefficient as used in this update
    :param chain: the objective with these coefficients
    :param parameters: of the policy, whose gradient is clipped; listed once, because the search takes time
    :param clip_range_vf: clip range of the value function; ``None`` if that is not clipped
    :param old: the policy before the update; ``None`` if nothing needs it
    :param conditions: measures of a minibatch, each a scalar, with the limit that ends the update before its step
    :param rollout: all samples on the device in storage order; ``None`` where the buffer makes its own minibatches
    :param kl: exact divergence of every valid step after the epoch just done, shape ``(n,)``, if it was measured
    :param statistics: what is logged of the update
    """

    values: Mapping[str, Any]
    chain: BoundChain
    parameters: Sequence[th.Tensor]
    clip_range_vf: Any = None
    old: OldPolicy | None = None
    conditions: Sequence[tuple[Callable[[Minibatch], th.Tensor], Any]] = ()
    rollout: Any = None
    kl: th.Tensor | None = None
    statistics: UpdateStatistics = field(default_factory=UpdateStatistics)


def approx_kl(minibatch: Minibatch) -> th.Tensor:
    """SB3's estimate of KL(old || new) in a minibatch, the mean of k3, with SB3's roundings.

    :param minibatch: detached
    """
    return th.mean((minibatch.ratio - 1) - minibatch.log_ratio)


def _mean(scalars: list[th.Tensor]) -> Any:
    # Double precision over single-precision scalars, as SB3's lists of `.item()`.
    return np.mean(th.stack(scalars).tolist())
