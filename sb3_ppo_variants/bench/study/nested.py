"""Names of arguments, of which a dotted one reaches into what the name before its dot sets."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any


def shared(names: Iterable[str], others: Iterable[str]) -> list[str]:
    """The arguments that both of two groups set; of a name and one that reaches into it, the latter.

    :param names: of one group
    :param others: of the other group
    """
    pairs = itertools.product(names, list(others))
    return sorted({max(pair, key=len) for pair in pairs if pair[0] == pair[1] or _below(*pair) or _below(*pair[::-1])})


def repeated(names: Iterable[str]) -> list[str]:
    """The arguments that a group sets more than once, as :func:`shared` names them.

    :param names: of the group
    """
    return sorted({name for one, other in itertools.combinations(names, 2) for name in shared([one], [other])})


def replaced(arguments: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with some of them changed; what reaches into a changed one goes with its former value.

    :param arguments: name -> value
    :param changes: name -> value, which win
    """
    kept = {name: value for name, value in arguments.items() if not any(_below(name, each) for each in changes)}
    return {**kept, **changes}


def _below(name: str, outer: str) -> bool:
    return name.startswith(f"{outer}.")
