"""The training loop, one for all hosts.

It does what `train()` of SB3's PPO does, in the same order and with the same roundings, so that the objective "clip"
gives bit for bit the same weights. A host (`ppo.py`) says how actions are evaluated and how the value loss is written;
the chain of terms says what the surrogate is.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch as th
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import explained_variance

from sb3_ppo_variants.adaptation import Adaptation
from sb3_ppo_variants.chain import BoundChain, Chain, Minibatch
from sb3_ppo_variants.kl import Parameters, kl_divergence, parameters_of
from sb3_ppo_variants.rollout import in_storage_order, minibatches


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
        """Stock's ``train/approx_kl`` is the mean over the last epoch alone."""
        self.epoch_start = len(self.minibatches)

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
            # An early stop in the very first minibatch leaves no gradient to speak of.
            **({"grad_norm": _mean(self.grad_norms)} if self.grad_norms else {}),
        }


def approx_kl(minibatch: Minibatch) -> th.Tensor:
    """SB3's estimate of KL(old || new) in a minibatch, the mean of k3, with SB3's roundings.

    :param minibatch: detached
    """
    return th.mean((minibatch.ratio - 1) - minibatch.log_ratio)


def _mean(scalars: list[th.Tensor]) -> Any:
    # Double precision over single-precision scalars, as SB3's lists of `.item()`.
    return np.mean(th.stack(scalars).tolist())


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

    @abstractmethod
    def _bases(self, progress_remaining: float) -> dict[str, float]:
        """Every coefficient of the chain by its schedule alone.

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

    def train(self) -> None:
        """Update the policy with the rollout just collected."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        values, chain, old = self._prepare()
        statistics = UpdateStatistics()
        stopped = False
        for epoch in range(self.n_epochs):
            statistics.start_epoch()
            for indices, samples in minibatches(self.rollout_buffer, self.batch_size):
                old_rows = None if old is None else old.rows(th.as_tensor(indices, device=self.device))
                loss = self._loss(samples, chain, old_rows, statistics)
                stopped = self._stop(statistics, epoch)
                if stopped:
                    break
                statistics.grad_norms.append(self._step(loss))
            self._n_updates += 1
            if stopped:
                break
        self._after_update(statistics, values, chain, old)

    @property
    def _measures_kl(self) -> bool:
        """Whether anyone wants to know the exact KL of an update."""
        return self.log_kl or self._adaptation.needs_kl

    def _prepare(self) -> tuple[dict[str, float], BoundChain, Parameters | None]:
        """The coefficients of this update, the chain that uses them and, if anyone asks for it, the old policy."""
        values = self._adaptation.values(self._bases(self._current_progress_remaining))
        chain = self._chain.bind(values | self._options())
        old = self._policy_parameters() if chain.needs_kl or self._measures_kl else None
        return values, chain, old

    def _loss(self, samples: Any, chain: BoundChain, old: Parameters | None, statistics: UpdateStatistics) -> th.Tensor:
        """The loss of one minibatch.

        :param samples: of the rollout buffer
        :param chain: with the coefficients of this update
        :param old: the old distribution of these samples
        :param statistics: of this update
        """
        batch = self._evaluate(samples)
        new = self._parameters(self.policy.action_dist, samples) if chain.needs_kl else None
        minibatch = Minibatch(self._normalized(batch.advantages), batch.log_prob - batch.old_log_prob, old, new)
        policy_loss = -chain(minibatch).mean()
        value_loss = self._value_loss(batch.returns, self._clipped(batch.values, batch.old_values))
        # Without a closed form the entropy is estimated from the actions taken.
        entropy_loss = -th.mean(-batch.log_prob if batch.entropy is None else batch.entropy)
        loss = policy_loss + self.ent_coef * entropy_loss + self.vf_coef * value_loss

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

    def _stop(self, statistics: UpdateStatistics, epoch: int) -> bool:
        """Whether the update ends before the step of the minibatch at hand.

        :param statistics: with that minibatch in
        :param epoch: counted from 0
        """
        if self.target_kl is None:
            return False
        kl = approx_kl(statistics.minibatches[-1]).cpu().numpy()
        stop = bool(kl > 1.5 * self.target_kl)
        if stop and self.verbose >= 1:
            print(f"Early stopping at step {epoch} due to reaching max kl: {kl:.2f}")
        return stop

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

    def _after_update(
        self, statistics: UpdateStatistics, values: dict[str, float], chain: BoundChain, old: Parameters | None
    ) -> None:
        """Measure the update, let the rules learn from it, log.

        :param statistics: of the update
        :param values: the coefficients as used
        :param chain: as used
        :param old: the policy before the update, if it was kept
        """
        clip_range = values.get("clip_range", self.clip_range(self._current_progress_remaining))
        measured = statistics.summary(clip_range)
        if old is not None and self._measures_kl:
            kl = kl_divergence(old, self._policy_parameters())
            measured |= {"kl": kl.mean().item(), "kl_max": kl.max().item()}
        self._adaptation.after_update(self._bases(self._current_progress_remaining), measured)

        measured |= chain.statistics(Minibatch.concatenate(statistics.minibatches))
        measured |= {f"{name}_at_bound": share for name, share in self._adaptation.shares_at_bound().items()}
        measured |= {"clip_range": clip_range} | values
        self._log(measured)

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
