"""The signature of a constructor whose arguments are spread over a class, its ancestors and its stock class."""

from __future__ import annotations

import inspect
from typing import Any

from sb3_ppo_variants.coefficients import LOSS_WEIGHTS
from sb3_ppo_variants.parts import HOOK_ARGUMENTS

# The argument of the base class that a named class has decided.
DECIDED = ("objective",)
SCHEDULED = "float | Schedule | str"


def constructor_signature(cls: Any) -> inspect.Signature:
    """The arguments of the stock class, then the keyword arguments that this package and subclasses add to them.

    ``inspect.signature(cls)`` and ``help(cls)`` show it, and so do editors that ask the interpreter. Below a class
    that passes no ``**kwargs`` on, its own arguments take the place of those of the stock class.

    :param cls: a host or a subclass of one
    """
    added: dict[str, inspect.Parameter] = {}
    constructors = [vars(ancestor)["__init__"] for ancestor in cls.__mro__ if "__init__" in vars(ancestor)]
    for constructor in constructors:
        parameters = [p for p in inspect.signature(constructor).parameters.values() if p.name != "self"]
        if constructor is cls.stock.__init__ or not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        added = added | {p.name: p.replace(kind=p.KEYWORD_ONLY) for p in named if p.name not in added}
    base = {p.name: p for p in parameters}
    if constructor is cls.stock.__init__:  # a plain float there
        base |= {c.name: base[c.name].replace(annotation=SCHEDULED) for c in LOSS_WEIGHTS}
    hidden = {*base, *(() if cls.fixed_objective is None else DECIDED)}
    own = [parameter for name, parameter in added.items() if name not in hidden]
    if constructor is cls.stock.__init__:
        own += [
            inspect.Parameter(a.name, inspect.Parameter.KEYWORD_ONLY, default=a.default)
            for a in HOOK_ARGUMENTS.values()
        ]
    if cls.fixed_objective is None and constructor is cls.stock.__init__:
        own.append(inspect.Parameter("coefficients", inspect.Parameter.VAR_KEYWORD))
    return inspect.Signature([*base.values(), *own])
