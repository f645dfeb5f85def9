"""Wrappers of environments as a study file and RL Zoo's ymls write them."""

from __future__ import annotations

from typing import Any

Wrappers = list[dict[str, dict[str, Any]]]


def wrappers(written: Any) -> Wrappers:
    """Write RL Zoo's forms of ``env_wrapper`` as one: a list of ``{dotted path: keyword arguments}``, innermost first.

    :param written: a dotted path, ``{dotted path: keyword arguments}``, a list of these, or None
    :raises ValueError: when it is something else, or gymnasium's TimeLimit, above which no evaluation would end
    """
    listed: Wrappers = []
    for item in [] if written is None else written if isinstance(written, list) else [written]:
        if isinstance(item, str):
            listed.append({item: {}})
        elif isinstance(item, dict) and len(item) == 1 and isinstance(next(iter(item.values())), dict | None):
            listed.append({str(path): dict(keywords or {}) for path, keywords in item.items()})
        else:
            raise ValueError(f"a wrapper is a dotted path, or a mapping from one to its arguments, not {item!r}")
    if any(path.startswith("gymnasium.") and path.endswith(".TimeLimit") for wrapper in listed for path in wrapper):
        # SB3 counts the episodes of an evaluation in Monitor, below the wrappers, which never sees this one's end.
        raise ValueError("TimeLimit as a wrapper never ends an evaluation; say env_kwargs: {max_episode_steps: N}")
    return listed
