"""What a term sees of a minibatch, and what is kept of the policy before the update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch as th

from sb3_ppo_variants.kl import Direction, Distributions, kl_divergence


class Minibatch:
    r"""What a term sees of a minibatch; all tensors have the shape ``(batch,)``.

    :param advantages: as they enter the surrogate, so normalised when ``normalize_advantage`` is on
    :param log_ratio: :math:`\log \pi_\theta(a|s) - \log \pi_{old}(a|s)`; its exponential is ``ratio``
    :param old: the old distribution of each sample, when a term needs the exact divergence
    :param new: the current distribution of each sample
    :param prepared: what the terms made of the old distributions once per rollout, the rows of these samples
    """

    def __init__(
        self,
        advantages: th.Tensor,
        log_ratio: th.Tensor,
        old: Distributions | None = None,
        new: Distributions | None = None,
        prepared: Mapping[str, th.Tensor] | None = None,
    ) -> None:
        self.advantages = advantages
        self.log_ratio = log_ratio
        self.ratio = th.exp(log_ratio)
        self.prepared = {} if prepared is None else prepared
        self._old = old
        self._new = new
        self._kl: dict[Direction, th.Tensor] = {}

    def kl(self, direction: Direction = "forward") -> th.Tensor:
        """Exact divergence per sample, computed at most once per direction.

        :param direction: ``"forward"`` for KL(old || new), ``"reverse"`` for KL(new || old)
        :return: shape ``(batch,)``, in nats, summed over action dimensions
        :raises RuntimeError: when the term's record does not say that it needs the divergence
        """
        if direction not in self._kl:
            if self._old is None or self._new is None:
                raise RuntimeError("a term asks for the exact KL, but no record in the objective says needs_kl=True")
            pair = (self._old, self._new) if direction == "forward" else (self._new, self._old)
            self._kl[direction] = kl_divergence(*pair)
        return self._kl[direction]

    @property
    def asked_for_kl(self) -> bool:
        """Whether a term asked for an exact divergence."""
        return bool(self._kl)

    def tensors(self) -> dict[str, Any]:
        """What the statistics of an update need of it: everything but the distributions."""
        return {
            "advantages": self.advantages,
            "log_ratio": self.log_ratio,
            "ratio": self.ratio,
            "prepared": dict(self.prepared),
            "kl": dict(self._kl),
        }

    @staticmethod
    def from_tensors(
        advantages: th.Tensor,
        log_ratio: th.Tensor,
        ratio: th.Tensor,
        prepared: Mapping[str, th.Tensor],
        kl: dict[Direction, th.Tensor],
    ) -> Minibatch:
        """A minibatch as the statistics need it, from what :meth:`tensors` gives.

        :param advantages: as in the class
        :param log_ratio: as in the class
        :param ratio: its exponential
        :param prepared: as in the class
        :param kl: the exact divergences that were asked for, by direction
        """
        minibatch = Minibatch.__new__(Minibatch)
        minibatch.advantages, minibatch.log_ratio, minibatch.ratio = advantages, log_ratio, ratio
        minibatch.prepared, minibatch._kl = prepared, kl
        minibatch._old = minibatch._new = None
        return minibatch

    def detach(self) -> Minibatch:
        """The same numbers without their graph, for the statistics of the update."""
        kl = {direction: kl.detach() for direction, kl in self._kl.items()}
        return Minibatch.from_tensors(self.advantages, self.log_ratio.detach(), self.ratio.detach(), self.prepared, kl)


@dataclass(frozen=True)
class OldPolicy:
    """What is kept of the policy before the update.

    :param distributions: of every valid step of the rollout
    :param prepared: what the terms made of it, each of shape ``(n_steps * n_envs, ...)``
    """

    distributions: Distributions
    prepared: Mapping[str, th.Tensor]

    def select_rows(self, indices: th.Tensor) -> OldPolicy:
        """The old policy at some steps.

        :param indices: integers of shape ``(batch,)``
        """
        prepared = {name: tensor[indices] for name, tensor in self.prepared.items()}
        return OldPolicy(self.distributions.select_rows(indices), prepared)
