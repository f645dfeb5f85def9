"""Classes by their dotted paths, each with its arguments, as a study file and RL Zoo's ymls write them."""

from __future__ import annotations

from typing import Any

# ``{dotted path: keyword arguments}``, in order.
Dotted = list[dict[str, dict[str, Any]]]


def dotted(written: Any, what: str) -> Dotted:
    """Write RL Zoo's forms as one: a list of ``{dotted path: keyword arguments}``.

    :param written: a dotted path, ``{dotted path: keyword arguments}``, a list of these, or None
    :param what: what a path names, for the message: ``"wrapper"``
    :raises ValueError: when it is something else
    """
    listed: Dotted = []
    for item in [] if written is None else written if isinstance(written, list) else [written]:
        if isinstance(item, str):
            listed.append({item: {}})
        elif isinstance(item, dict) and len(item) == 1 and isinstance(next(iter(item.values())), dict | None):
            listed.append({str(path): dict(keywords or {}) for path, keywords in item.items()})
        else:
            raise ValueError(f"a {what} is a dotted path, or a mapping from one to its arguments, not {item!r}")
    return listed
