"""The training loop, one for all hosts.

It does what `train()` of SB3's PPO does, in the same order and with the same roundings, so that the objective "clip"
gives bit for bit the same weights. A host (`ppo.py`) says how actions are evaluated and how the value loss is written;
the chain of terms says what the surrogate is.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import torch as th
from stable_baselines3.common.distributions import Distribution, TanhBijector
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import explained_variance, update_learning_rate

from sb3_ppo_variants.adaptation import EPISODE_RETURN, Adaptation
from sb3_ppo_variants.chain import BoundChain, Chain, Minibatch, OldPolicy
from sb3_ppo_variants.checks import check_observation, check_quantities, check_rollout, restored_on_error
from sb3_ppo_variants.kl import Parameters, kl_divergence, parameters_of
from sb3_ppo_variants.optimizer import foreach_steps
from sb3_ppo_variants.rollout import in_storage_order, minibatches
from sb3_ppo_variants.statistics import approx_kl
from sb3_ppo_variants.stopping import Stopping
from sb3_ppo_variants.update import Evaluation, Update


class TrainingLoop(OnPolicyAlgorithm):
    """``train()`` for every host; see the module."""

    # What the hosts' stock classes declare in different ways.
    policy: Any
    batch_size: Any
    clip_range: Any
    clip_range_vf: Any
    n_epochs: int
    normalize_advantage: bool
    target_kl: float | None
    log_kl: bool
    _chain: Chain
    _adaptation: Adaptation
    _stopping: Stopping
    _finished_returns: list[float]

    @abstractmethod
    def _bases(self, progress_remaining: float) -> dict[str, float]:
        """Every coefficient, of the chain and of the loss, by its schedule alone.

        :param progress_remaining: 1 at the start of training, 0 at the end
        """

    @abstractmethod
    def _options(self) -> dict[str, str]:
        """Every option of the chain."""

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

    def _samples_in_order(self) -> Iterator[Any]:
        """The rollout in storage order, in chunks of the size of a minibatch."""
        return in_storage_order(self.rollout_buffer, self.batch_size)

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> bool:
        """As in the stock class, with a word about the observation when it is what the policy fails on.

        :param args: as in the stock class
        :param kwargs: as in the stock class
        :raises FloatingPointError: for an observation that is not finite
        """
        try:
            return super().collect_rollouts(*args, **kwargs)
        except ValueError:
            check_observation(self._last_obs)
            raise

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: Any = None) -> None:
        """As in SB3; the returns of the episodes that ended are kept until the update.

        :param infos: of one step, one per environment
        :param dones: of that step
        """
        super()._update_info_buffer(infos, dones)
        self._finished_returns += [info["episode"]["r"] for info in infos if "episode" in info]

    def train(self) -> None:
        """Update the policy with the rollout just collected.

        :raises FloatingPointError: for a quantity that is not finite; the model is then as it was before the update
        """
        check_rollout(self.rollout_buffer, self.normalize_advantage, self._name_of_update())
        epochs_before = self._n_updates
        try:
            with restored_on_error(self.policy), foreach_steps(self.policy.optimizer):
                self._update()
        except Exception:
            self._n_updates = epochs_before
            raise

    def _name_of_update(self) -> str:
        return f"the update at {self.num_timesteps} timesteps"

    def _update(self) -> None:
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        update = self._prepare()
        for epoch in range(self.n_epochs):
            update.statistics.start_epoch()
            when = f"epoch {epoch} of {self._name_of_update()}"
            try:
                stopped = self._train_epoch(epoch, update)
            except ValueError as error:  # torch's distributions refuse parameters that are not finite
                check_quantities(update.statistics.of_epoch(), when)
                raise FloatingPointError(f"the policy has no valid distribution in {when}: {error}") from error
            check_quantities(update.statistics.of_epoch(), when)
            self._n_updates += 1
            if stopped or self._stop_after_epoch(update):
                break
        self._after_update(update)

    def _update_learning_rate(self, optimizers: list[th.optim.Optimizer] | th.optim.Optimizer) -> None:
        """As in SB3, with the learned factor of an adaptive learning rate.

        :param optimizers: one or several
        """
        learning_rate = self._values()["learning_rate"]
        for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
            update_learning_rate(optimizer, learning_rate)

    def _train_epoch(self, epoch: int, update: Update) -> bool:
        """One pass over the rollout.

        :param epoch: counted from 0
        :param update: under way
        :return: whether the update ends here
        """
        update.kl = None
        for indices, samples in minibatches(self.rollout_buffer, self.batch_size):
            old = None if update.old is None else update.old.rows(th.as_tensor(indices, device=self.device))
            loss = self._loss(samples, old, update)
            if self._stop_before_step(update, epoch):
                return True
            update.statistics.grad_norms.append(self._step(loss))
        return False

    @property
    def _measures_kl(self) -> bool:
        """Whether anyone wants to know the exact KL of an update."""
        return self.log_kl or self._adaptation.needs_kl or self._stopping.needs_kl

    def _values(self) -> dict[str, float]:
        """Every coefficient as used in the update at hand."""
        return self._adaptation.values(self._bases(self._current_progress_remaining))

    def _prepare(self) -> Update:
        """The coefficients of this update, the chain that uses them and, if anyone asks for it, the old policy."""
        values = self._values()
        chain = self._chain.bind(values | self._options())
        return Update(values, chain, self._old_policy(chain) if chain.needs_old or self._measures_kl else None)

    def _loss(self, samples: Any, old: OldPolicy | None, update: Update) -> th.Tensor:
        """The loss of one minibatch.

        :param samples: of the rollout buffer
        :param old: the policy before the update, at these samples
        :param update: under way
        """
        batch = self._evaluate(samples)
        new = self._parameters(self.policy.action_dist, samples) if update.chain.needs_kl else None
        of_old = (None, new, None) if old is None else (old.distribution, new, old.prepared)
        minibatch = Minibatch(self._normalized(batch.advantages), batch.log_prob - batch.old_log_prob, *of_old)
        policy_loss = -update.chain(minibatch).mean()
        value_loss = self._value_loss(batch.returns, self._clipped(batch.values, batch.old_values))
        # Without a closed form the entropy is estimated from the actions taken.
        entropy_loss = -th.mean(-batch.log_prob if batch.entropy is None else batch.entropy)
        loss = policy_loss + update.values["ent_coef"] * entropy_loss + update.values["vf_coef"] * value_loss

        statistics = update.statistics
        statistics.minibatches.append(minibatch.detach())
        statistics.policy_losses.append(policy_loss.detach())
        statistics.value_losses.append(value_loss.detach())
        statistics.entropy_losses.append(entropy_loss.detach())
        statistics.loss = loss.detach()
        return loss

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

    def _valid_rows(self, tensor: th.Tensor, samples: Any) -> th.Tensor:
        """A tensor of a minibatch without its padding.

        :param tensor: shape ``(batch, ...)``
        :param samples: the minibatch
        """
        valid = self._valid(samples)
        return tensor if valid is None else tensor[valid]

    def _normalized(self, advantages: th.Tensor) -> th.Tensor:
        # One sample has no standard deviation (SB3 issue #325).
        if self.normalize_advantage and len(advantages) > 1:
            return (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        return advantages

    def _clipped(self, values: th.Tensor, old_values: th.Tensor) -> th.Tensor:
        if self.clip_range_vf is None:
            return values
        clip_range_vf = self.clip_range_vf(self._current_progress_remaining)
        return old_values + th.clamp(values - old_values, -clip_range_vf, clip_range_vf)

    def _stop_before_step(self, update: Update, epoch: int) -> bool:
        """Whether the update ends before the step of the minibatch at hand.

        :param update: with that minibatch in its statistics
        :param epoch: counted from 0
        """
        minibatch = update.statistics.minibatches[-1]
        if self._stopping.before_step(minibatch):
            return True
        if self.target_kl is None:
            return False
        kl = approx_kl(minibatch).cpu().numpy()
        stop = bool(kl > 1.5 * self.target_kl)
        if stop and self.verbose >= 1:
            print(f"Early stopping at step {epoch} due to reaching max kl: {kl:.2f}")
        return stop

    def _stop_after_epoch(self, update: Update) -> bool:
        """Whether the update ends with the epoch just done.

        :param update: under way
        """
        if update.old is None or not self._stopping.needs_kl:
            return False
        update.kl = kl_divergence(update.old.distribution, self._policy_parameters())
        return self._stopping.after_epoch(update.kl)

    def _step(self, loss: th.Tensor) -> th.Tensor:
        """One step of the optimiser.

        :param loss: of the minibatch
        :return: the norm of the gradient before it was clipped
        """
        self.policy.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = th.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()
        return norm.detach()

    def _after_update(self, update: Update) -> None:
        """Measure the update, let the rules learn from it, log.

        :param update: done
        """
        statistics, values = update.statistics, update.values
        clip_range = values.get("clip_range", self.clip_range(self._current_progress_remaining))
        measured = statistics.summary(clip_range)
        if update.old is not None and self._measures_kl:
            kl = kl_divergence(update.old.distribution, self._policy_parameters()) if update.kl is None else update.kl
            measured |= {"kl": kl.mean().item(), "kl_max": kl.max().item()}
        returns, self._finished_returns = self._finished_returns, []
        of_episodes = {EPISODE_RETURN: sum(returns) / len(returns)} if returns else {}
        self._adaptation.after_update(self._bases(self._current_progress_remaining), measured | of_episodes)

        measured |= update.chain.statistics(Minibatch.concatenate(statistics.minibatches))
        measured |= {f"{name}_at_bound": share for name, share in self._adaptation.shares_at_bound().items()}
        self._log(measured | {"clip_range": clip_range} | dict(values))

    @th.no_grad()
    def _old_policy(self, chain: BoundChain) -> OldPolicy:
        """The policy before the update, and what the terms make of it.

        :param chain: with the coefficients of this update
        """
        distribution = self._policy_parameters()
        if not chain.preparations:
            return OldPolicy(distribution, {})
        actions = th.cat([self._valid_rows(samples.actions, samples) for samples in self._samples_in_order()])
        if self.policy.squash_output:
            actions = TanhBijector.inverse(actions)
        return OldPolicy(distribution, chain.prepare(distribution, actions))

    @th.no_grad()
    def _policy_parameters(self) -> Parameters:
        """The action distributions of the whole rollout in storage order, in eval mode; no random draw."""
        self.policy.set_training_mode(False)
        chunks = [self._parameters(self._get_distribution(samples), samples) for samples in self._samples_in_order()]
        self.policy.set_training_mode(True)
        return Parameters.concatenate(chunks)

    def _log(self, measured: dict[str, float]) -> None:
        for key, value in measured.items():
            self.logger.record(f"train/{key}", value)
        buffer = self.rollout_buffer
        self.logger.record(
            "train/explained_variance", explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        )
        if hasattr(self.policy, "log_std"):
            self.logger.record("train/std", th.exp(self.policy.log_std).mean().item())
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        if self.clip_range_vf is not None:
            self.logger.record("train/clip_range_vf", self.clip_range_vf(self._current_progress_remaining))
