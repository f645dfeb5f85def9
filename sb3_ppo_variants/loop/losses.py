"""The losses of a minibatch, the same for every host.

The same sums in the same order as in `train()` of SB3's PPO. A host (`ppo.py`) evaluates the actions; the chain of
terms makes the surrogate.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch.nn import functional as F

from sb3_ppo_variants.kl import Distributions, distributions_of, parameters_of
from sb3_ppo_variants.loop.features import last_hidden_layer
from sb3_ppo_variants.loop.records import EvaluatedSamples, Losses
from sb3_ppo_variants.loop.update import Update
from sb3_ppo_variants.minibatch import Minibatch, OldPolicy, StatesApart


class LossComputation(OnPolicyAlgorithm):
    """From samples to losses."""

    policy: Any
    batch_size: Any
    max_grad_norm: float
    normalize_advantage: bool
    # What of an update stays in eager mode where native code is asked for, and why.
    stays_eager: ClassVar[str | None] = None

    @property
    def _minibatch_size(self) -> int:
        """The largest number of samples in a minibatch: sb3-contrib's ``batch_size=None`` is the whole rollout."""
        size = self.rollout_buffer.buffer_size * self.rollout_buffer.n_envs
        return int(self.batch_size or size)

    @abstractmethod
    def _evaluate_actions(self, samples: Any) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        """Values ``(batch, 1)``, log-probabilities ``(batch,)`` and, if there is a closed form, entropies ``(batch,)``.

        :param samples: a minibatch of the rollout buffer
        """

    @abstractmethod
    def _get_distribution(self, samples: Any) -> Distribution:
        """The current policy's action distribution.

        :param samples: a minibatch of the rollout buffer
        """

    def value_loss(self, returns: th.Tensor, values: th.Tensor) -> th.Tensor:
        """The value loss, a scalar; here that of the stock class, in a subclass perhaps another.

        :param returns: shape ``(batch,)``, without padding
        :param values: predicted, shape ``(batch,)``; with ``clip_range_vf`` they are clipped around the old ones
        """
        return F.mse_loss(returns, values)

    def _valid(self, samples: Any) -> th.Tensor | None:
        """Which rows of a minibatch are samples and not padding; ``None`` for all of them.

        :param samples: a minibatch of the rollout buffer
        """
        return None

    def _actions(self, samples: Any) -> th.Tensor:
        """The actions of a minibatch as the policy takes them.

        :param samples: a minibatch of the rollout buffer
        """
        actions: th.Tensor = samples.actions
        return actions.long().flatten() if isinstance(self.action_space, spaces.Discrete) else actions

    def _losses(self, samples: Any, old: OldPolicy | None, update: Update, apart: Any = None) -> Losses:
        """The losses of one minibatch.

        :param samples: of the rollout buffer
        :param old: the policy before the update, at these samples
        :param update: in progress
        :param apart: samples whose states are drawn apart, if a regularizer needs them
        """
        distribution: Any = getattr(self.policy, "action_dist", None)
        before = parameters_of(distribution)
        with last_hidden_layer(self.policy, update.regularizers.needs_features) as layer:
            batch = self._evaluate(samples)
        if update.needs_kl and parameters_of(distribution) is before:
            # The policy has made its distribution elsewhere, and this one is of another minibatch.
            distribution = self._get_distribution(samples)
        minibatch = Minibatch(
            self._normalized(batch.advantages),
            batch.log_prob - batch.old_log_prob,
            old=None if old is None else old.distributions,
            new=self._distributions(distribution, samples) if update.needs_kl else None,
            prepared=None if old is None else old.prepared,
            samples=samples,
            features=self._features(layer, samples, old),
            apart=None if apart is None else self._states_apart(apart, update),
        )
        policy_loss = -update.chain(minibatch).mean()
        value_loss = self.value_loss(batch.returns, self._clipped(batch.values, batch.old_values, update))
        # Without a closed form the entropy is estimated from the actions taken.
        entropy_loss = -th.mean(-batch.log_prob if batch.entropy is None else batch.entropy)
        loss = policy_loss + update.values["ent_coef"] * entropy_loss + update.values["vf_coef"] * value_loss
        regularizers = update.regularizers(minibatch)
        return Losses(minibatch, policy_loss, value_loss, entropy_loss, sum(regularizers, loss), regularizers)

    def _features(
        self, layer: list[th.Tensor], samples: Any, old: OldPolicy | None
    ) -> tuple[th.Tensor, th.Tensor] | None:
        """The features of a minibatch now and before the update, without its padding.

        :param layer: what the last hidden layer gave, if it was watched
        :param samples: the minibatch
        :param old: the policy before the update, at these samples
        """
        if not layer or old is None or old.features is None:
            return None
        return self._valid_rows(layer[-1], samples), old.features

    def _states_apart(self, samples: Any, update: Update) -> StatesApart:
        """The policy one step before and now, in states drawn apart.

        :param samples: with these states
        :param update: in progress
        """
        assert update.apart is not None
        assert update.apart.before is not None
        return StatesApart(update.apart.before, self._distributions_at(samples))

    def _distributions_at(self, samples: Any) -> Distributions:
        """The current action distributions of a minibatch, without its padding.

        :param samples: the minibatch
        """
        return self._distributions(self._get_distribution(samples), samples)

    def _valid_rows(self, tensor: th.Tensor, samples: Any) -> th.Tensor:
        """A tensor of a minibatch without its padding.

        :param tensor: shape ``(batch, ...)``
        :param samples: the minibatch
        """
        valid = self._valid(samples)
        return tensor if valid is None else tensor[valid]

    def _evaluate(self, samples: Any) -> EvaluatedSamples:
        """A minibatch under the current policy, without its padding.

        :param samples: a minibatch of the rollout buffer
        """
        values, log_prob, entropy = self._evaluate_actions(samples)
        stored = (samples.old_values, samples.old_log_prob, samples.advantages, samples.returns)
        batch = EvaluatedSamples(values.flatten(), log_prob, entropy, *stored)
        valid = self._valid(samples)
        return batch if valid is None else batch.select_rows(valid)

    def _distributions(self, distribution: Distribution, samples: Any) -> Distributions:
        """The distributions of a minibatch, without its padding.

        :param distribution: of the policy
        :param samples: the minibatch
        """
        distributions, valid = distributions_of(distribution), self._valid(samples)
        return distributions if valid is None else distributions.select_rows(valid)

    def _normalized(self, advantages: th.Tensor) -> th.Tensor:
        # One sample has no standard deviation (SB3 issue #325).
        if self.normalize_advantage and len(advantages) > 1:
            return (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        return advantages

    @staticmethod
    def _clipped(values: th.Tensor, old_values: th.Tensor, update: Update) -> th.Tensor:
        if update.clip_range_vf is None:
            return values
        return old_values + th.clamp(values - old_values, -update.clip_range_vf, update.clip_range_vf)
