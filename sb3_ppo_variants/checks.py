"""What a model refuses, or warns of, before it trains."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, is_vecenv_wrapped

from sb3_ppo_variants.adaptation import Adaptation
from sb3_ppo_variants.coefficients import (
    LEARNING_RATE,
    MAX_GRAD_NORM,
    N_EPOCHS,
    TARGET_KL,
    Coefficient,
    Flag,
    Option,
)
from sb3_ppo_variants.feedback import EPISODE_RETURN, State
from sb3_ppo_variants.loop.features import find_last_hidden_layer
from sb3_ppo_variants.loop.hook import UpdateHook
from sb3_ppo_variants.loop.rollout import has_indices
from sb3_ppo_variants.messages import warn_user
from sb3_ppo_variants.regularization import BoundRegularizers
from sb3_ppo_variants.regularizers import REGULARIZERS
from sb3_ppo_variants.schedules import as_schedule, check_schedule, sampled
from sb3_ppo_variants.stopping import Stopping


def check_parts(
    model: Any, needs_indices: bool, regularizers: Sequence[BoundRegularizers], hooks: Sequence[UpdateHook]
) -> None:
    """Refuse parts that the policy and the rollout buffer of a model cannot serve.

    :param model: that is set up
    :param needs_indices: whether something is kept of every sample of the rollout
    :param regularizers: those of updates from the start to the end of training
    :param hooks: of the model
    :raises ValueError: naming the argument, what was given and what is allowed
    """
    buffer: RolloutBuffer = model.rollout_buffer
    needs_indices = needs_indices or any(bound.needs_old or bound.needs_states_apart for bound in regularizers)
    if needs_indices and not has_indices(buffer):
        raise ValueError(
            f"rollout_buffer_class={type(buffer).__name__} has no _get_samples, without which the exact "
            "KL, features and states apart do not know their samples; use a subclass of SB3's RolloutBuffer"
        )
    for bound in regularizers:
        bound.try_out(REGULARIZERS)
    if any(bound.needs_features for bound in regularizers):
        find_last_hidden_layer(model.policy)
    for hook in hooks:
        hook.check(model)


def check_stock_numbers(model: Any) -> None:
    """Refuse stock arguments that are no numbers before a rollout, not after it as SB3; 10.0 epochs are 10.

    :param model: of a host
    :raises ValueError: naming the argument, the value and what is allowed
    """
    N_EPOCHS.check(model.n_epochs)
    model.n_epochs = int(model.n_epochs)
    MAX_GRAD_NORM.check(model.max_grad_norm)
    if model.target_kl is not None:
        TARGET_KL.check(model.target_kl)


def check_values(model: Any, coefficients: Mapping[str, Coefficient], choices: Mapping[str, Option | Flag]) -> None:
    """Refuse values that are out of range, and choices that there are not.

    :param model: with an attribute for each
    :param coefficients: by name
    :param choices: by name
    :raises ValueError: naming the argument, the value and what is allowed
    """
    for name, coefficient in coefficients.items():
        given = getattr(model, name)
        check_schedule(coefficient, as_schedule(name, given), given)
    for name, choice in choices.items():
        choice.check(getattr(model, name))


def check_adapted(model: Any, adapted: Collection[str], bases: Mapping[str, float]) -> None:
    """Refuse rules for coefficients that they cannot drive, and warn of learned values that no rule keeps.

    :param model: with a schedule of its learning rate
    :param adapted: names of the coefficients that have a rule
    :param bases: coefficient name to the schedule's value at the start, without coefficients that are ``None``
    :raises ValueError: naming the coefficient
    """
    for name in adapted:
        if name not in bases:
            raise ValueError(f"adapt[{name!r}]: {name} is None; give it a value for the rule to start from")
    if LEARNING_RATE.name in adapted and len(set(sampled(model.lr_schedule))) > 1:
        raise ValueError(
            f"adapt['learning_rate']: learning_rate={model.learning_rate!r} is a schedule, and a learned rate would "
            "fight it; give a number"
        )
    _warn_of_forgotten(model.adaptive_state, adapted, bases)


def _warn_of_forgotten(state: Mapping[str, State], adapted: Collection[str], bases: Mapping[str, float]) -> None:
    """Warn of coefficients whose rule is gone, which go back to where they started.

    :param state: what the rules had learned
    :param adapted: names of the coefficients that have a rule now
    :param bases: coefficient name to its schedule's value
    """
    for name in set(state) & set(bases) - set(adapted):
        learned = bases[name] * state[name]["multiplier"]
        if learned != bases[name]:
            warn_user(
                f"{name} has no rule any more and goes back from {learned:.4g} to {bases[name]:.4g}; "
                f"give {name}={learned:.4g} to keep it"
            )


def check_monitor(model: Any, adaptation: Adaptation) -> None:
    """Refuse to train a rule on returns that nothing would record.

    :param model: about to learn
    :param adaptation: of the model
    :raises ValueError: when a rule follows the returns of episodes and no Monitor records them
    """
    env: VecEnv | None = model.env
    if env is None or not adaptation.follows(EPISODE_RETURN):
        return
    if not (is_vecenv_wrapped(env, VecMonitor) or all(env.env_is_wrapped(Monitor))):
        raise ValueError(
            f"adapt follows {EPISODE_RETURN!r}, which Monitor and VecMonitor record: wrap the environment in one"
        )


def warn_of_stops(target_kl: float | None, stopping: Stopping, adaptation: Adaptation) -> None:
    """Warn of stops that end an update before a rule sees the KL that it follows.

    :param target_kl: of the model
    :param stopping: of the model
    :param adaptation: of the model
    """
    limits = {f"stop[{name!r}]": limit for name, limit in stopping.limits.items()}
    for name, limit in {"target_kl": target_kl, **limits}.items():
        if limit is not None and adaptation.needs_kl:
            warn_user(
                f"{name}={limit} stops an update before its KL can reach the rule that follows it: the coefficient "
                "will drift to its loose bound. Leave it out, or follow another statistic"
            )
