"""Passes over the whole rollout: the old policy of an update, and the exact divergence from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch as th
from stable_baselines3.common.distributions import TanhBijector

from sb3_ppo_variants.chain import BoundChain
from sb3_ppo_variants.kl import Distributions, kl_divergence
from sb3_ppo_variants.loop.kept import KeptDistributions, Rows
from sb3_ppo_variants.loop.losses import LossComputation
from sb3_ppo_variants.loop.rollout import in_storage_order, whole_rollout
from sb3_ppo_variants.minibatch import OldPolicy
from sb3_ppo_variants.policies.binned import BinnedPolicy, nearest_bins


class RolloutPasses(LossComputation):
    """What is computed from all samples of a rollout, in storage order and without gradient."""

    def _samples_in_order(self) -> Iterator[Any]:
        """The rollout in storage order, in chunks of the size of a minibatch."""
        return in_storage_order(self.rollout_buffer, self.batch_size)

    def _whole_rollout(self) -> Any:
        """All samples on the device; ``None`` where minibatches are more than rows of it."""
        return whole_rollout(self.rollout_buffer)

    def _valid_rows(self, tensor: th.Tensor, samples: Any) -> th.Tensor:
        """A tensor of a minibatch without its padding.

        :param tensor: shape ``(batch, ...)``
        :param samples: the minibatch
        """
        valid = self._valid(samples)
        return tensor if valid is None else tensor[valid]

    def _kl(self, old: OldPolicy) -> th.Tensor:
        """Exact KL(old || current policy) of every valid step of the rollout, shape ``(n,)``.

        :param old: the policy before the update
        """
        return kl_divergence(old.distributions, self._rollout_distributions())

    @th.no_grad()
    def _old_policy(self, chain: BoundChain) -> OldPolicy:
        """The policy before the update, and what the terms make of it.

        :param chain: with the coefficients of this update
        """
        distributions = self._rollout_distributions()
        if not chain.preparations:
            return OldPolicy(distributions, {})
        rows = Rows()
        for samples in self._samples_in_order():
            rows.append(self._valid_rows(samples.actions, samples))
        return OldPolicy(distributions, chain.prepare(distributions, self._drawn(rows.all())))

    def _drawn(self, actions: th.Tensor) -> th.Tensor:
        """What the policy's distributions gave: of a squashed action its Gaussian part, of a binned one its bins."""
        if isinstance(self.policy, BinnedPolicy):
            return nearest_bins(actions, self.policy.bin_centres)
        return TanhBijector.inverse(actions) if self.policy.squash_output else actions

    @th.no_grad()
    def _rollout_distributions(self) -> Distributions:
        """The action distributions of the whole rollout in storage order, in eval mode; no random draw."""
        self.policy.set_training_mode(False)
        kept = KeptDistributions()
        for samples in self._samples_in_order():
            kept.append(self._distributions(self._get_distribution(samples), samples))
        self.policy.set_training_mode(True)
        return kept.all()
