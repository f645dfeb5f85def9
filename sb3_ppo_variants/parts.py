"""The parts of a model beside the stock class: their arguments, what they need, and how the model is executed."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, is_vecenv_wrapped

from sb3_ppo_variants.adaptation import Adaptation
from sb3_ppo_variants.chain import Chain
from sb3_ppo_variants.coefficients import CLIP_RANGE, LEARNING_RATE, Coefficient, Flag, Option
from sb3_ppo_variants.feedback import EPISODE_RETURN, State
from sb3_ppo_variants.hooks import HOOKS
from sb3_ppo_variants.imports import import_object
from sb3_ppo_variants.loop.execution import EagerExecution, Execution
from sb3_ppo_variants.loop.features import find_last_hidden_layer
from sb3_ppo_variants.loop.hook import UpdateHook
from sb3_ppo_variants.loop.passes import RolloutPasses
from sb3_ppo_variants.loop.rollout import has_indices
from sb3_ppo_variants.messages import COMPILES, one_of, warn_user
from sb3_ppo_variants.regularization import BoundRegularizers, build_regularization
from sb3_ppo_variants.regularizers import REGULARIZERS
from sb3_ppo_variants.schedules import as_schedule, check_schedule, sampled
from sb3_ppo_variants.stopping import Stopping
from sb3_ppo_variants.terms import TERMS

# What the hooks of the package take, by name.
HOOK_ARGUMENTS = {argument.name: argument for hook in HOOKS.values() for argument in hook.arguments}
# What a model gives a policy itself.
GIVEN = {"self", "observation_space", "action_space", "lr_schedule"}


def as_list(objective: Any) -> list[Any]:
    """The parts of an objective.

    :param objective: a part or several
    """
    return list(objective) if isinstance(objective, (list, tuple)) else [objective]


def arguments_of_parts(chain: Chain, regularizers: Any) -> dict[str, Any]:
    """The records of all arguments that are no stock ones, by name.

    :param chain: of the objective
    :param regularizers: as the user gives them
    :raises ValueError: for a name that a term and a regularizer, or one of them and a hook of the package, have
    """
    others = build_regularization(regularizers, REGULARIZERS).coefficients
    of_chain: dict[str, Any] = {**chain.coefficients, **chain.options}
    if shared := [name for name in others if name in of_chain and others[name] != CLIP_RANGE]:
        raise ValueError(f"regularizers: a term has a coefficient {shared[0]!r} as well; rename one")
    of_parts = of_chain | others
    if shared := [name for name in of_parts if name in HOOK_ARGUMENTS]:
        raise ValueError(f"objective: {shared[0]!r} is an argument of a hook; rename the coefficient")
    return of_parts | HOOK_ARGUMENTS


def is_declared(model: Any, name: str) -> bool:
    """Whether the class of a model has an argument, attribute or method of a name.

    :param model: of a host
    :param name: of a new argument
    """
    declared = (name in vars(ancestor).get("__annotations__", {}) for ancestor in type(model).__mro__)
    return name in dir(type(model)) or name in inspect.signature(model.stock.__init__).parameters or any(declared)


def is_taken(model: Any, name: str) -> bool:
    """Whether a model has an argument, attribute or method of a name, now or once it is set up.

    :param model: of a host
    :param name: of a new argument
    """
    return name in vars(model) or name in model._excluded_save_params() or is_declared(model, name)


def _policy_arguments(policies: Iterable[type]) -> set[str]:
    """The keyword arguments of some policies, those of their ancestors too."""
    ancestors = {ancestor for policy in policies for ancestor in policy.__mro__ if "__init__" in vars(ancestor)}
    constructors = [vars(ancestor)["__init__"] for ancestor in ancestors - {object}]
    parameters = [p for each in constructors for p in inspect.signature(each).parameters.values()]
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - GIVEN


def unknown_argument(owner: Any, name: str, value: Any, known: Iterable[str]) -> str:
    """The message for an argument that is not known.

    :param owner: a host or a subclass of one
    :param name: of the argument
    :param value: of the argument
    :param known: the arguments that are
    """
    for term in TERMS.values():
        if name in [argument.name for argument in term.arguments]:
            return f"{name}={value!r} belongs to the term {term.name!r}, which is not in the objective"
    for part in REGULARIZERS.values():
        if name in [coefficient.name for coefficient in part.coefficients]:
            return f"{name}={value!r} belongs to {part.name!r}, which is not among the regularizers"
    if name in _policy_arguments(owner.policy_aliases.values()):
        given = f"policy_kwargs={{{name!r}: {value!r}}}"
        return f"{owner.__name__}: {name} is an argument of the policy; {given} gives it to it"
    if others := classes_with(name, owner):
        return f"{owner.__name__}: {name}={value!r} is an argument of {' and '.join(others)}"
    return f"{owner.__name__}: " + one_of("argument", name, known)


def classes_with(name: str, cls: Any) -> list[str]:
    """The classes of the same host that have an argument that neither a class nor the host has.

    :param name: of the argument
    :param cls: a host or a subclass of one
    """
    host: Any = next(ancestor for ancestor in cls.__mro__ if "stock" in vars(ancestor))
    if name in cls.__signature__.parameters or name in host.__signature__.parameters:
        return []
    return [variant.__name__ for variant in host.__subclasses__() if name in variant.__signature__.parameters]


def build_hooks(values: Mapping[str, Any], own: Any) -> list[UpdateHook]:
    """The hooks of a model.

    :param values: name to value of the arguments of all hooks
    :param own: the user's, one or several or ``None``; each a hook or the dotted path of its class
    :raises ValueError: for a value that is not allowed, and for a path that cannot be imported
    :raises TypeError: for something that is no hook
    """
    for name, argument in HOOK_ARGUMENTS.items():
        argument.check(values[name])
    users = [] if own is None else [_hook(given) for given in as_list(own)]
    return [hook() for hook in HOOKS.values() if hook.is_used(values)] + users


def _hook(given: Any) -> UpdateHook:
    try:
        hook = import_object(given) if isinstance(given, str) else given
        hook = hook() if isinstance(given, str) and isinstance(hook, type) else hook
    except ImportError as error:
        raise ValueError(f"hooks: {given!r}: {error}") from error
    except TypeError as error:
        raise TypeError(f"hooks: {given!r} cannot be made without arguments: {error}") from error
    if not isinstance(hook, UpdateHook):
        of_class = isinstance(hook, type) and issubclass(hook, UpdateHook)
        hint = f"; give an instance, {hook.__name__}()" if of_class else ""
        raise TypeError(f"hooks: {given!r} is not an UpdateHook{hint}")
    return hook


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
    if any(bound.needs_features for bound in regularizers):
        find_last_hidden_layer(model.policy)
    for hook in hooks:
        hook.check(model)


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


def execution_of(algorithm: RolloutPasses, compile: bool | str) -> Execution:
    """The way in which a model is executed.

    :param algorithm: the model
    :param compile: as in its constructor
    :raises ValueError: for another value than ``False``, ``True`` and ``"strict"``
    :raises ImportError: with ``"strict"``, for a version of torch that is not supported, and so AttributeError
    """
    if compile not in (False, True, "strict"):
        raise ValueError(f"compile={compile!r} is not known. Choices: False, True, 'strict'.")
    if not compile:
        return EagerExecution(algorithm)
    try:
        # Only here: it imports private modules of torch, which another release may have moved.
        from sb3_ppo_variants.compiled.compiler import Compiler
    except (ImportError, AttributeError) as error:
        if compile == "strict":
            raise
        warn_user(f"compile={compile!r} runs in eager mode: this version of torch is not supported: {error}")
        return EagerExecution(algorithm)
    compiler = Compiler(algorithm, strict=compile == "strict")
    if algorithm.verbose >= 1:
        print(COMPILES)
    return compiler
