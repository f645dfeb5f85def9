"""The parts of a model beside the stock class: their arguments, what they need, and how the model is executed."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, is_vecenv_wrapped

from sb3_ppo_variants.adaptation import Adaptation
from sb3_ppo_variants.chain import Chain
from sb3_ppo_variants.feedback import EPISODE_RETURN
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
from sb3_ppo_variants.stopping import Stopping
from sb3_ppo_variants.terms import TERMS

# What the hooks of the package take, by name.
HOOK_ARGUMENTS = {argument.name: argument for hook in HOOKS.values() for argument in hook.arguments}


def as_list(objective: Any) -> list[Any]:
    """The parts of an objective.

    :param objective: a part or several
    """
    return list(objective) if isinstance(objective, (list, tuple)) else [objective]


def arguments_of_parts(chain: Chain, regularizers: Any) -> dict[str, Any]:
    """The records of all arguments that are no stock ones, by name.

    :param chain: of the objective
    :param regularizers: as the user gives them
    :raises ValueError: for a name that a term and a regularizer have
    """
    others = build_regularization(regularizers, REGULARIZERS).coefficients
    shared = sorted({*others} & {*chain.coefficients, *chain.options})
    if shared:
        raise ValueError(f"regularizers: a term has a coefficient {shared[0]!r} as well; rename one")
    return chain.coefficients | chain.options | others | HOOK_ARGUMENTS


def is_taken(model: Any, name: str) -> bool:
    """Whether a model has an argument, attribute or method of a name, now or once it is set up.

    :param model: of a host
    :param name: of a new argument
    """
    declared = (name in vars(ancestor).get("__annotations__", {}) for ancestor in type(model).__mro__)
    of_stock = inspect.signature(model.stock.__init__).parameters
    has_it = name in vars(model) or name in dir(type(model)) or name in of_stock
    return has_it or name in model._excluded_save_params() or any(declared)


def unknown_argument(owner: str, name: str, value: Any, known: Iterable[str]) -> str:
    """The message for an argument that is not known.

    :param owner: name of the class
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
    return f"{owner}: " + one_of("argument", name, known)


def build_hooks(values: Mapping[str, Any], own: Sequence[Any]) -> list[UpdateHook]:
    """The hooks of a model.

    :param values: name to value of the arguments of all hooks
    :param own: the user's, or the dotted paths of their classes
    :raises ValueError: for a value that is not allowed, and for a path that cannot be imported
    :raises TypeError: for something that is no hook
    """
    for name, argument in HOOK_ARGUMENTS.items():
        argument.check(values[name])
    return [hook() for hook in HOOKS.values() if hook.is_used(values)] + [_hook(given) for given in own]


def _hook(given: Any) -> UpdateHook:
    try:
        hook = import_object(given)() if isinstance(given, str) else given
    except ImportError as error:
        raise ValueError(f"hooks: {given!r}: {error}") from error
    if not isinstance(hook, UpdateHook):
        raise TypeError(f"hooks: {given!r} is not an UpdateHook")
    return hook


def check_parts(model: Any, needs_indices: bool, regularizers: BoundRegularizers, hooks: Sequence[UpdateHook]) -> None:
    """Refuse parts that the policy and the rollout buffer of a model cannot serve.

    :param model: that is set up
    :param needs_indices: whether something is kept of every sample of the rollout
    :param regularizers: of its first update
    :param hooks: of the model
    :raises ValueError: naming the argument, what was given and what is allowed
    """
    buffer: RolloutBuffer = model.rollout_buffer
    if (needs_indices or regularizers.needs_old or regularizers.needs_states_apart) and not has_indices(buffer):
        raise ValueError(
            f"rollout_buffer_class={type(buffer).__name__} has no _get_samples, without which the exact "
            "KL, features and states apart do not know their samples; use a subclass of SB3's RolloutBuffer"
        )
    if regularizers.needs_features:
        find_last_hidden_layer(model.policy)
    for hook in hooks:
        hook.check(model)


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
        raise ValueError(one_of("compile", compile, ("False", "True", "strict")))
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
