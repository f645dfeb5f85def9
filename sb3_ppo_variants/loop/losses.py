"""The losses of a minibatch, one text for all hosts.

The same sums in the same order as in `train()` of SB3's PPO. A host (`ppo.py`) says how actions are evaluated and how
the value loss is written; the chain of terms says what the surrogate is.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch as th
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ppo_variants.kl import Parameters, parameters_of
from sb3_ppo_variants.loop.statistics import Losses
from sb3_ppo_variants.loop.update import Evaluation, Update
from sb3_ppo_variants.minibatch import Minibatch, OldPolicy


class LossComputation(OnPolicyAlgorithm):
    """From samples to losses; see the module."""

    policy: Any
    batch_size: Any
    compile: bool | str
    normalize_advantage: bool

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

    @abstractmethod
    def _value_loss(self, returns: th.Tensor, values: th.Tensor) -> th.Tensor:
        """The value loss, in the words of the host.

        :param returns: shape ``(batch,)``
        :param values: predicted, shape ``(batch,)``
        """

    def _valid(self, samples: Any) -> th.Tensor | None:
        """Which rows of a minibatch are samples and not padding; ``None`` for all of them.

        :param samples: a minibatch of the rollout buffer
        """
        return None

    def _losses(self, samples: Any, old: OldPolicy | None, update: Update) -> Losses:
        """The losses of one minibatch.

        :param samples: of the rollout buffer
        :param old: the policy before the update, at these samples
        :param update: under way
        """
        batch = self._evaluate(samples)
        new = self._parameters(self.policy.action_dist, samples) if update.chain.needs_kl else None
        of_old = (None, new, None) if old is None else (old.distribution, new, old.prepared)
        minibatch = Minibatch(self._normalized(batch.advantages), batch.log_prob - batch.old_log_prob, *of_old)
        policy_loss = -update.chain(minibatch).mean()
        value_loss = self._value_loss(batch.returns, self._clipped(batch.values, batch.old_values, update))
        # Without a closed form the entropy is estimated from the actions taken.
        entropy_loss = -th.mean(-batch.log_prob if batch.entropy is None else batch.entropy)
        loss = policy_loss + update.values["ent_coef"] * entropy_loss + update.values["vf_coef"] * value_loss
        return Losses(minibatch, policy_loss, value_loss, entropy_loss, loss)

    def _evaluate(self, samples: Any) -> Evaluation:
        """A minibatch under the current policy, without its padding.

        :param samples: a minibatch of the rollout buffer
        """
        values, log_prob, entropy = self._evaluate_actions(samples)
        old = (samples.old_values, samples.old_log_prob, samples.advantages, samples.returns)
        batch = Evaluation(values.flatten(), log_prob, entropy, *old)
        valid = self._valid(samples)
        return batch if valid is None else batch.rows(valid)

    def _parameters(self, distribution: Distribution, samples: Any) -> Parameters:
        """The parameters of a minibatch's distribution, without its padding.

        :param distribution: of the policy
        :param samples: the minibatch
        """
        parameters, valid = parameters_of(distribution), self._valid(samples)
        return parameters if valid is None else parameters.rows(valid)

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
