"""Passes over the whole rollout: the old policy of an update, and the exact divergence from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.distributions import TanhBijector

from sb3_ppo_variants.chain import BoundChain
from sb3_ppo_variants.kl import Distributions, kl_divergence
from sb3_ppo_variants.loop.apart import ApartDraws
from sb3_ppo_variants.loop.features import last_hidden_layer
from sb3_ppo_variants.loop.kept import KeptDistributions, Rows
from sb3_ppo_variants.loop.losses import LossComputation
from sb3_ppo_variants.loop.rollout import Terminal, flatten, get_samples, in_storage_order, select_rows, whole_rollout
from sb3_ppo_variants.loop.update import Update
from sb3_ppo_variants.minibatch import OldPolicy
from sb3_ppo_variants.policies.binned import BinnedPolicy, nearest_bins


class RolloutPasses(LossComputation):
    """What is computed from all samples of a rollout, in storage order and without gradient."""

    def _samples_in_order(self) -> Iterator[Any]:
        """The rollout in storage order, in chunks of the size of a minibatch."""
        return in_storage_order(self.rollout_buffer, self._minibatch_size)

    def _whole_rollout(self) -> Any:
        """All samples on the device; ``None`` where minibatches are more than rows of it."""
        return whole_rollout(self.rollout_buffer)

    def _kl(self, old: OldPolicy) -> th.Tensor:
        """Exact KL(old || current policy) of every valid step of the rollout, shape ``(n,)``.

        :param old: the policy before the update
        """
        return kl_divergence(old.distributions, self._rollout_distributions())

    @th.no_grad()
    def _old_policy(self, chain: BoundChain, with_features: bool = False) -> OldPolicy:
        """The policy before the update, and what the terms make of it.

        :param chain: with the coefficients of this update
        :param with_features: whether those of its last hidden layer are kept
        """
        layers = Rows()
        distributions = self._rollout_distributions(layers if with_features else None)
        features = layers.all() if with_features else None
        if not chain.preparations:
            return OldPolicy(distributions, {}, features)
        rows = Rows()
        for samples in self._samples_in_order():
            rows.append(self._valid_rows(samples.actions, samples))
        return OldPolicy(distributions, chain.prepare(distributions, self._drawn(rows.all())), features)

    def _drawn(self, actions: th.Tensor) -> th.Tensor:
        """What the policy's distributions gave: of a squashed action its Gaussian part, of a binned one its bins."""
        if isinstance(self.policy, BinnedPolicy):
            return nearest_bins(actions, self.policy.bin_centres)
        return TanhBijector.inverse(actions) if self.policy.squash_output else actions

    @contextmanager
    def _evaluation(self) -> Iterator[None]:
        """A block in eval mode, without gradient."""
        self.policy.set_training_mode(False)
        with th.no_grad():
            yield
        self.policy.set_training_mode(True)

    def _rollout_distributions(self, features: Rows | None = None) -> Distributions:
        """The action distributions of the whole rollout in storage order, in eval mode; no random draw.

        :param features: to which the last hidden layer is added, if anyone wants it
        """
        kept = KeptDistributions()
        with self._evaluation(), last_hidden_layer(self.policy, features is not None) as layer:
            for samples in self._samples_in_order():
                kept.append(self._distributions_at(samples))
                if features is not None:
                    features.append(self._valid_rows(layer.pop(), samples))
        return kept.all()

    def _rollout_values(self) -> th.Tensor:
        """The values of the whole rollout in storage order, in eval mode, shape ``(n,)``."""
        kept = Rows()
        with self._evaluation():
            for samples in self._samples_in_order():
                kept.append(self._valid_rows(self._evaluate_actions(samples)[0].flatten(), samples))
        return kept.all()

    def _last_values(self) -> th.Tensor:
        """The values after the last step of the rollout, shape ``(n_envs, 1)``."""
        with self._evaluation():
            return self._predict_last_values(self.policy.obs_to_tensor(self._last_obs)[0])

    def _terminal_values(self, terminals: Sequence[Terminal]) -> th.Tensor:
        """The values where time limits ended episodes, shape ``(n,)``.

        :param terminals: of this rollout
        """
        with self._evaluation():
            values = [self._predict_terminal_value(terminal) for terminal in terminals]
        return th.cat(values).flatten()

    def _predict_last_values(self, observations: Any) -> th.Tensor:
        values: th.Tensor = self.policy.predict_values(observations)
        return values

    def _predict_terminal_value(self, terminal: Terminal) -> th.Tensor:
        value: th.Tensor = self.policy.predict_values(self.policy.obs_to_tensor(terminal.observation)[0])
        return value

    def _draw_indices(self, generator: np.random.Generator, number: int) -> np.ndarray:
        """The indices of states apart from a minibatch, shape ``(number,)``.

        :param generator: of random numbers
        :param number: at most that of the samples of the rollout
        """
        size = self.rollout_buffer.buffer_size * self.rollout_buffer.n_envs
        return generator.choice(size, min(number, size), replace=False, shuffle=False)

    def _samples_at(self, indices: np.ndarray, update: Update) -> Any:
        """Some samples of the rollout.

        :param indices: into the flattened rollout
        :param update: in progress
        """
        if update.rollout is None:
            return get_samples(self.rollout_buffer, indices)
        return select_rows(update.rollout, indices)

    def _begin_apart(self, update: Update, apart: ApartDraws, state: Any) -> None:
        """Draw the states apart of the first step.

        :param update: about to begin
        :param apart: draws them
        :param state: of its generator, as the last update left it
        """
        flatten(self.rollout_buffer, self.batch_size)
        update.apart = apart
        self._keep_apart(apart.begin(state, self.seed, self._minibatch_size), update)

    def _keep_apart(self, indices: np.ndarray, update: Update) -> None:
        """Evaluate the policy before a step in the states of the next.

        :param indices: of these states
        :param update: in progress
        """
        assert update.apart is not None
        with th.no_grad():
            update.apart.keep(self._distributions_at(self._samples_at(indices, update)))
