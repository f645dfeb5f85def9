"""An update in progress: the coefficients in use, the old policy, and the statistics that are logged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch as th

from sb3_ppo_variants.chain import BoundChain
from sb3_ppo_variants.loop.apart import ApartDraws
from sb3_ppo_variants.loop.kept import KeptMinibatches, Rows
from sb3_ppo_variants.loop.records import StepResult
from sb3_ppo_variants.minibatch import Minibatch, OldPolicy
from sb3_ppo_variants.regularization import BoundRegularizers


class UpdateStatistics:
    """The statistics of one update: detached tensors, which are read once, after the update."""

    def __init__(self) -> None:
        self.minibatches = KeptMinibatches()
        self.steps = 0
        self._scalars = Rows()
        self._epoch_start = 0

    def start_epoch(self) -> None:
        """Remember where the epoch begins: stock's ``train/approx_kl`` is the mean over the last epoch alone."""
        self._epoch_start = len(self.minibatches.lengths)

    def record(self, result: StepResult) -> None:
        """Keep what a step leaves.

        :param result: of the step
        """
        self.minibatches.append(result.minibatch)
        self.steps += not result.stopped
        self._scalars.append(result.scalars.unsqueeze(0))

    @property
    def known_finite(self) -> bool:
        """Whether the scalars tell that the epoch at hand is: a ratio that is not spoils the gradient of its step."""
        all_taken = self.steps == len(self.minibatches.lengths)
        return all_taken and math.isfinite(self._scalars.all()[self._epoch_start :].sum().item())

    def of_epoch(self, names: Sequence[str]) -> dict[str, list[th.Tensor]]:
        """What must be finite in the epoch at hand, in the order in which one spoils the next.

        :param names: of the regularizers
        """
        start = self._epoch_start
        policy, value, entropy, _, norm, *regularizers = self._scalars.all().unbind(dim=1)
        return {
            "the ratio": self._parts(self.minibatches.all().ratio, start),
            "the policy loss": list(policy[start:]),
            "the value loss": list(value[start:]),
            "the entropy loss": list(entropy[start:]),
            **{f"the loss of {name}": list(loss[start:]) for name, loss in zip(names, regularizers, strict=True)},
            "the gradient": list(norm[start : self.steps]),
        }

    def summary(self, clip_range: float) -> dict[str, float]:
        """The statistics under the names that they are logged by, without ``train/``.

        :param clip_range: of this update
        """
        policy, value, entropy, total, norm, *_ = self._scalars.all().unbind(dim=1)
        samples = self.minibatches.all()
        change = th.abs(samples.ratio - 1)
        ratios, log_ratios = (self._parts(column, self._epoch_start) for column in (samples.ratio, samples.log_ratio))
        approx_kls = [_mean_k3(ratio, log_ratio) for ratio, log_ratio in zip(ratios, log_ratios, strict=True)]
        return {
            "entropy_loss": _mean(entropy),
            "policy_gradient_loss": _mean(policy),
            "value_loss": _mean(value),
            # Single precision, as in SB3.
            "approx_kl": np.mean(th.stack(approx_kls).cpu().numpy()),
            "clip_fraction": np.mean(self._shares(change > clip_range)),
            "loss": total[-1].item(),
            "ratio_max": samples.ratio.max().item(),
            "ratio_deviation": change.mean().item(),
            "gradient_steps": self.steps,
            # An early stop in the very first minibatch leaves no gradient to speak of.
            **({"grad_norm": _mean(norm[: self.steps])} if self.steps else {}),
        }

    def of_regularizers(self) -> tuple[th.Tensor, th.Tensor]:
        """The losses of the regularizers in each step, shape ``(steps, n)``, and the policy loss, ``(steps,)``."""
        scalars = self._scalars.all()
        return scalars[:, 5:], scalars[:, 0]

    def _shares(self, column: th.Tensor) -> list[float]:
        """The share of samples in each minibatch that are true, in single precision, as in SB3."""
        lengths = self.minibatches.lengths
        starts = np.cumsum([0, *lengths[:-1]])
        counts = np.add.reduceat(column.cpu().numpy(), starts, dtype=np.float32)
        shares: list[float] = (counts / np.array(lengths, dtype=np.float32)).tolist()
        return shares

    def _parts(self, column: th.Tensor, start: int) -> list[th.Tensor]:
        """A column of all samples, minibatch by minibatch, from one of them on."""
        lengths = self.minibatches.lengths
        return list(th.split(column[sum(lengths[:start]) :], lengths[start:]))


@dataclass
class Update:
    """One update in progress.

    :param values: every coefficient of this update; a hook may change all but the learning rates
    :param chain: the objective with these coefficients
    :param regularizers: the other losses with these coefficients
    :param parameters: of the policy by name, whose gradient is clipped; listed once, because the search takes time
    :param clip_range_vf: clip range of the value function; ``None`` if that is not clipped
    :param old: the policy before the update; ``None`` if nothing needs it
    :param conditions: measures of a minibatch, each a scalar, with the limit that ends the update before its step
    :param apart: draws states apart from the minibatches; ``None`` if nothing needs them
    :param rollout: all samples on the device in storage order; ``None`` where the buffer makes its own minibatches
    :param kl: exact divergence of every valid step after the epoch just done, shape ``(n,)``, if it was measured
    :param statistics: what is logged of the update
    """

    values: Mapping[str, Any]
    chain: BoundChain
    regularizers: BoundRegularizers
    parameters: Mapping[str, th.Tensor]
    clip_range_vf: Any = None
    old: OldPolicy | None = None
    conditions: Sequence[tuple[Callable[[Minibatch], th.Tensor], Any]] = ()
    apart: ApartDraws | None = None
    rollout: Any = None
    kl: th.Tensor | None = None
    statistics: UpdateStatistics = field(default_factory=UpdateStatistics)

    def rebind(self) -> None:
        """Let chain and regularizers follow ``values``, in which a hook may have changed a coefficient."""
        self.chain = self.chain.with_values(self.values)
        self.regularizers = self.regularizers.with_values(self.values)

    @property
    def reads_old(self) -> bool:
        """Whether a term or a regularizer asks for the policy before the update; else it is there to be measured."""
        return self.chain.needs_old or self.regularizers.needs_old

    @property
    def needs_kl(self) -> bool:
        """Whether a term or a regularizer asks for the exact divergence of a minibatch."""
        return self.chain.needs_kl or self.regularizers.needs_kl


def approx_kl(minibatch: Minibatch) -> th.Tensor:
    """SB3's estimate of KL(old || new) in a minibatch, the mean of k3, with SB3's roundings.

    :param minibatch: detached
    """
    return _mean_k3(minibatch.ratio, minibatch.log_ratio)


def _mean_k3(ratio: th.Tensor, log_ratio: th.Tensor) -> th.Tensor:
    return th.mean((ratio - 1) - log_ratio)


def _mean(scalars: th.Tensor) -> Any:
    # Double precision over single-precision scalars, as SB3's lists of `.item()`.
    return np.mean(scalars.tolist())
