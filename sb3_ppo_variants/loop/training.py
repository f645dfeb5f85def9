"""The training loop, one for all hosts.

It does what `train()` of SB3's PPO does, in the same order and with the same roundings, so that the objective "clip"
gives bit for bit the same weights. In one piece, without padding, early stops and what is measured only to be logged:

.. code-block:: python

    model.policy.set_training_mode(True)
    model._bases = model._scheduled_values(model._current_progress_remaining)
    model._update_learning_rate(model.policy.optimizer)
    coefficients = model._values()  # schedule(progress) x the multiplier that a rule has learned
    objective = model._chain.bind(coefficients | model._options())
    old = model._rollout_distributions()  # only where a term or a rule needs the exact KL

    for epoch in range(model.n_epochs):
        for draw in draw_minibatches(model.rollout_buffer, model.batch_size):
            samples = draw.samples
            values, log_prob, entropy = model._evaluate_actions(samples)
            minibatch = Minibatch(
                model._normalized(samples.advantages),
                log_prob - samples.old_log_prob,
                old.select_rows(draw.indices),
                model._distributions(model.policy.action_dist, samples),
            )
            policy_loss = -objective(minibatch).mean()
            value_loss = model.value_loss(samples.returns, values.flatten())
            entropy_loss = -entropy.mean()
            loss = policy_loss + coefficients["ent_coef"] * entropy_loss + coefficients["vf_coef"] * value_loss

            model.policy.optimizer.zero_grad()
            loss.backward()
            clip_grad_norm_(model.policy.parameters(), model.max_grad_norm)
            model.policy.optimizer.step()
        model._n_updates += 1

    kl = kl_divergence(old, model._rollout_distributions()).mean().item()
    model._adaptation.after_update(model._bases, {"kl": kl})
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import torch as th
from stable_baselines3.common.utils import explained_variance, update_learning_rate

from sb3_ppo_variants.adaptation import Adaptation
from sb3_ppo_variants.chain import Chain
from sb3_ppo_variants.feedback import EPISODE_RETURN
from sb3_ppo_variants.loop.apart import ApartDraws
from sb3_ppo_variants.loop.backup import Backup
from sb3_ppo_variants.loop.checks import (
    check_observation,
    check_policy,
    check_quantities,
    check_rollout,
    constant_advantages,
    raised_in,
)
from sb3_ppo_variants.loop.execution import Execution, Step
from sb3_ppo_variants.loop.faster import foreach_steps, without_validation
from sb3_ppo_variants.loop.hook import UpdateHook, blocks_around
from sb3_ppo_variants.loop.passes import RolloutPasses
from sb3_ppo_variants.loop.rollout import draw_minibatches
from sb3_ppo_variants.loop.update import Update, approx_kl
from sb3_ppo_variants.messages import Warnings
from sb3_ppo_variants.minibatch import Minibatch
from sb3_ppo_variants.regularization import Regularization
from sb3_ppo_variants.stopping import Stopping

# In `hook_state`: the generator that draws states apart.
STATES_APART = "states_apart"


class TrainingLoop(RolloutPasses):
    """``train()`` for every host; see the module."""

    # What the hosts' stock classes declare in different ways.
    clip_range: Any
    clip_range_vf: Any
    n_epochs: int
    target_kl: float | None
    log_kl: bool
    hook_state: dict[str, Any]
    _chain: Chain
    _regularization: Regularization
    _hooks: Sequence[UpdateHook]
    _apart: ApartDraws
    _adaptation: Adaptation
    _bases: dict[str, float]
    _stopping: Stopping
    _backup: Backup
    _warnings: Warnings
    _finished_returns: list[float]

    @property
    @abstractmethod
    def _execution(self) -> Execution:
        """How updates and rollouts are executed."""

    @abstractmethod
    def _scheduled_values(self, progress_remaining: float) -> dict[str, float]:
        """Every coefficient, of the chain and of the loss, by its schedule alone.

        :param progress_remaining: 1 at the start of training, 0 at the end
        """

    @abstractmethod
    def _options(self) -> dict[str, str]:
        """Every option of the chain."""

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> bool:
        """Collect a rollout as in the stock class. If the policy fails, an observation that is not finite is named.

        :raises FloatingPointError: for an observation that is not finite, if the policy fails
        """
        try:
            return self._execution.collect_rollouts(super().collect_rollouts, *args, **kwargs)
        except (ValueError, RuntimeError) as error:
            if raised_in(self.policy, error):
                check_observation(self._last_obs)
            raise

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: Any = None) -> None:
        """Keep the returns of the episodes that ended until the update, if a rule follows them.

        :param infos: of one step, one per environment
        :param dones: of that step
        """
        super()._update_info_buffer(infos, dones)
        for hook in self._hooks:
            hook.on_step(self, infos, dones)
        if self._adaptation.follows(EPISODE_RETURN):
            # An environment may have an "episode" of its own, which Monitor replaces only where an episode ends.
            episodes = [info.get("episode") for info in infos]
            self._finished_returns += [ep["r"] for ep in episodes if isinstance(ep, Mapping) and "r" in ep]

    def train(self) -> None:
        """Update the policy with the rollout just collected.

        :raises FloatingPointError: for a quantity that is not finite
        :raises BaseException: whatever ends the update; the model is then as it was before it
        """
        check_rollout(self.rollout_buffer, self._name_of_update())
        if self.normalize_advantage and (text := constant_advantages(self.rollout_buffer, self._name_of_update())):
            self._warnings.once("constant advantages", text)
        with self._backup.restored_on_error(self), self._faster_steps(), without_validation(self.policy):
            self._update()

    def _faster_steps(self) -> AbstractContextManager[None]:
        """A block in which the optimiser takes its steps in less time."""
        return foreach_steps(self.policy.optimizer)

    def _name_of_update(self) -> str:
        return f"the update at {self.num_timesteps} timesteps"

    def _update(self) -> None:
        self.policy.set_training_mode(True)
        # A schedule may count its calls: as in SB3 the first value of the learning rate is logged, the next one used.
        self._bases = self._scheduled_values(self._current_progress_remaining)
        self._update_learning_rate(self.policy.optimizer)
        update = self._prepare()
        changing = any(hook.changes_steps for hook in self._hooks)
        with blocks_around(self._hooks, self, update), ExitStack() as steps:
            for epoch in range(self.n_epochs):
                if changing:
                    steps.close()
                for hook in self._hooks:
                    hook.before_epoch(self, update, epoch)
                if epoch == 0 or changing:
                    if self._hooks:  # they may have changed the buffer, or a coefficient
                        update.rollout = self._whole_rollout()
                        update.rebind()
                    step = steps.enter_context(self._execution.step(update))
                stopped = self._train_epoch(epoch, update, step)
                self._n_updates += 1
                if stopped or self._stop_after_epoch(update):
                    break
        if self._hooks:
            update.kl = None  # their blocks may have changed the policy since
        if update.apart is not None:
            self.hook_state[STATES_APART] = update.apart.state
        self._after_update(update)

    def _update_learning_rate(self, optimizers: list[th.optim.Optimizer] | th.optim.Optimizer) -> None:
        """Set the learning rate as SB3 does, with the learned factor of an adaptive one.

        :param optimizers: one or several
        """
        for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
            base = self.lr_schedule(self._current_progress_remaining)
            update_learning_rate(optimizer, self._adaptation.value("learning_rate", base))

    def _train_epoch(self, epoch: int, update: Update, step: Step) -> bool:
        """One pass over the rollout.

        :param epoch: counted from 0
        :param update: in progress
        :param step: takes a step of the optimiser
        :return: whether the update ends here
        :raises FloatingPointError: for a quantity of this epoch that is not finite
        """
        update.kl = None
        update.statistics.start_epoch()
        stopped = False
        for draw in draw_minibatches(self.rollout_buffer, self.batch_size, update.rollout):
            result = step(draw if update.apart is None else draw._replace(apart=update.apart.next()))
            update.statistics.record(result)
            if result.stopped:
                self._print_early_stop(result.minibatch, epoch)
                stopped = True
                break
        if not update.statistics.known_finite:
            names = [part.name for part in update.regularizers.regularizers]
            check_quantities(update.statistics.of_epoch(names), f"epoch {epoch} of {self._name_of_update()}")
        return stopped

    def _print_early_stop(self, minibatch: Minibatch, epoch: int) -> None:
        """Print what SB3 prints when ``target_kl`` ends an update.

        :param minibatch: the last one
        :param epoch: counted from 0
        """
        kl = approx_kl(minibatch).item()
        if self.verbose >= 1 and self.target_kl is not None and kl > 1.5 * self.target_kl:
            print(f"Early stopping at step {epoch} due to reaching max kl: {kl:.2f}")

    @property
    def _measures_kl(self) -> bool:
        """Whether anyone wants to know the exact KL of an update."""
        return self.log_kl or self._adaptation.needs_kl or self._stopping.needs_kl

    def _values(self) -> dict[str, float]:
        """Every coefficient of the current update."""
        return self._adaptation.values(self._bases)

    def _prepare(self) -> Update:
        """The coefficients of this update, the chain that uses them and, if anyone asks for it, the old policy."""
        values = self._values()
        chain, regularizers = self._chain.bind(values | self._options()), self._regularization.bind(values)
        needs_old = chain.needs_old or regularizers.needs_old or self._measures_kl
        update = Update(
            values,
            chain,
            regularizers,
            parameters=dict(self.policy.named_parameters()),
            clip_range_vf=self.clip_range_vf and self.clip_range_vf(self._current_progress_remaining),
            old=self._old_policy(chain, regularizers.needs_features) if needs_old else None,
            conditions=[*self._stopping.of_minibatch, *self._target_kl()],
            rollout=self._whole_rollout(),
        )
        if regularizers.needs_states_apart:
            self._begin_apart(update, self._apart, self.hook_state.get(STATES_APART))
        return update

    def _target_kl(self) -> list[tuple[Callable[[Minibatch], th.Tensor], float]]:
        """SB3's own condition."""
        return [] if self.target_kl is None else [(approx_kl, 1.5 * self.target_kl)]

    def _stop_after_epoch(self, update: Update) -> bool:
        """Whether the update ends with the epoch just done.

        :param update: in progress
        """
        if update.old is None or not self._stopping.needs_kl:
            return False
        update.kl = self._kl(update.old)
        return self._stopping.after_epoch(update.kl)

    def _after_update(self, update: Update) -> None:
        """Measure the update, let the rules learn from it, log.

        :param update: that has ended
        """
        statistics, values = update.statistics, update.values
        check_policy(self.policy, update.parameters.values(), self._name_of_update())
        clip_range = values.get("clip_range") or self.clip_range(self._current_progress_remaining)
        measured = statistics.summary(clip_range)
        measured |= update.regularizers.statistics(*statistics.of_regularizers())
        if update.old is not None and self._measures_kl:
            kl = self._kl(update.old) if update.kl is None else update.kl
            measured |= {"kl": kl.mean().item(), "kl_max": kl.max().item()}
        returns, self._finished_returns = self._finished_returns, []
        of_episodes = {EPISODE_RETURN: sum(returns) / len(returns)} if returns else {}
        self._adaptation.after_update(self._bases, measured | of_episodes)
        measured |= {f"{name}_at_bound": share for name, share in self._adaptation.shares_at_bound().items()}
        minibatches = statistics.minibatches
        measured |= update.chain.statistics(minibatches.all(), minibatches.lengths, taken=measured)
        of_vf = {} if update.clip_range_vf is None else {"clip_range_vf": update.clip_range_vf}
        self._log(measured | {"clip_range": clip_range} | dict(values) | of_vf)

    def _log(self, measured: dict[str, float]) -> None:
        buffer, record = self.rollout_buffer, self.logger.record
        for key, value in measured.items():
            record(f"train/{key}", value)
        record("train/explained_variance", explained_variance(buffer.values.flatten(), buffer.returns.flatten()))
        if hasattr(self.policy, "log_std"):
            record("train/std", th.exp(self.policy.log_std).mean().item())
        record("train/n_updates", self._n_updates, exclude="tensorboard")
