"""Names for parts of your own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, overload

from sb3_ppo_variants.chain import Term, term_from_function
from sb3_ppo_variants.feedback import Rule, rule_from_function
from sb3_ppo_variants.messages import one_of
from sb3_ppo_variants.own_parts import REGISTERED
from sb3_ppo_variants.regularization import Regularizer, regularizer_from_function
from sb3_ppo_variants.regularizers import REGULARIZERS
from sb3_ppo_variants.rules import RULES
from sb3_ppo_variants.stopping import Stop, stop_from_function
from sb3_ppo_variants.stops import STOPS
from sb3_ppo_variants.terms import TERMS

T = TypeVar("T")
# By the argument that takes them.
KINDS: dict[str, tuple[type, Any, dict[str, Any]]] = {
    "objective": (Term, term_from_function, TERMS),
    "regularizers": (Regularizer, regularizer_from_function, REGULARIZERS),
    "adapt": (Rule, rule_from_function, RULES),
    "stop": (Stop, stop_from_function, STOPS),
}


@overload
def register(part: T, *, argument: str | None = None) -> T: ...


@overload
def register(*, argument: str) -> Callable[[T], T]: ...


def register(part: Any = None, *, argument: str | None = None) -> Any:
    """Give a part of your own its name, which then works wherever those of the package do.

    Whoever uses the name has to import the module first; ``"module:name"`` does both, in a study, in RL Zoo and in a
    saved model. A part that is registered again, as in a notebook, takes the place of the one before.

    :param part: a ``Term``, ``Regularizer``, ``Rule`` or ``Stop``, or a function; without it, the decorator of one
    :param argument: of a function: the argument of a model that takes it, ``"objective"``, ``"regularizers"``,
        ``"adapt"`` or ``"stop"``
    :return: the part, as it was
    :raises TypeError: for something else, and for a function without ``argument``
    :raises ValueError: for another ``argument``, a name of the package, and a function that no model could take
    """
    if argument is not None and argument not in KINDS:
        raise ValueError(one_of("argument", argument, KINDS))
    if part is None and argument is not None:
        return partial(register, argument=argument)
    for name, (record, wrap, known) in KINDS.items():
        if isinstance(part, record) or name == argument:
            found: Any = part if isinstance(part, record) else wrap(part)
            if "." in found.name or ":" in found.name:
                raise ValueError(f"register: {found.name!r} would be read as a path; choose a name without . and :")
            if found.name in known:
                raise ValueError(f"register: {found.name!r} is a name of the package, for {name}; choose another")
            REGISTERED[record][found.name] = found
            return part
    raise TypeError(
        f"register: {part!r} is no Term, Regularizer, Rule or Stop; say argument= for a function: {', '.join(KINDS)}"
    )
