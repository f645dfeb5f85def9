"""The parts of a model beside the stock class: their arguments, what they need, and how the model is executed."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from sb3_ppo_variants.chain import Chain
from sb3_ppo_variants.coefficients import CLIP_RANGE
from sb3_ppo_variants.hooks import HOOKS
from sb3_ppo_variants.imports import import_object
from sb3_ppo_variants.loop.execution import EagerExecution, Execution
from sb3_ppo_variants.loop.hook import UpdateHook
from sb3_ppo_variants.loop.passes import RolloutPasses
from sb3_ppo_variants.messages import COMPILES, one_of, warn_user
from sb3_ppo_variants.own_parts import as_list
from sb3_ppo_variants.regularization import Regularization
from sb3_ppo_variants.regularizers import REGULARIZERS
from sb3_ppo_variants.terms import TERMS

# What the hooks of the package take, by name.
HOOK_ARGUMENTS = {argument.name: argument for hook in HOOKS.values() for argument in hook.arguments}
# What a model gives a policy itself.
GIVEN = {"self", "observation_space", "action_space", "lr_schedule"}


def arguments_of_parts(chain: Chain, regularization: Regularization) -> dict[str, Any]:
    """The records of all arguments that are no stock ones, by name.

    :param chain: of the objective
    :param regularization: the regularizers
    :raises ValueError: for a name that a term and a regularizer, or one of them and a hook of the package, have
    """
    others = regularization.coefficients
    of_chain: dict[str, Any] = {**chain.coefficients, **chain.options}
    if shared := [name for name in others if name in of_chain and others[name] != CLIP_RANGE]:
        raise ValueError(f"regularizers: a term has a coefficient {shared[0]!r} as well; rename one")
    of_parts = of_chain | others
    if shared := [name for name in of_parts if name in HOOK_ARGUMENTS]:
        source = _source(shared[0], regularization)
        raise ValueError(f"{source}: {shared[0]!r} is an argument of a hook; rename the coefficient")
    return of_parts | HOOK_ARGUMENTS


def _source(name: str, regularization: Regularization) -> str:
    """The argument of a model that a coefficient comes with."""
    return "regularizers" if name in regularization.coefficients else "objective"


def name_is_taken(model: Any, name: str, regularization: Regularization) -> ValueError:
    """The error for a coefficient that is called as something else of the model.

    :param model: of a host
    :param name: of the coefficient
    :param regularization: of the model
    """
    source = _source(name, regularization)
    return ValueError(f"{source}: {name!r} is taken by {type(model).__name__}; rename the coefficient")


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
    if inspect.isgeneratorfunction(hook.around_update):
        raise TypeError(f"hooks: around_update of {type(hook).__name__} must be a contextlib.contextmanager")
    return hook


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
