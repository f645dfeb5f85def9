"""Wrappers of environments as a study file and RL Zoo's ymls write them."""

from __future__ import annotations

from typing import Any

from sb3_ppo_variants.bench.study.dotted import Dotted, dotted


def wrappers(written: Any) -> Dotted:
    """Write RL Zoo's forms of ``env_wrapper`` as one: a list of ``{dotted path: keyword arguments}``, innermost first.

    :param written: a dotted path, ``{dotted path: keyword arguments}``, a list of these, or None
    :raises ValueError: when it is something else, or gymnasium's TimeLimit, above which no evaluation would end
    """
    listed = dotted(written, "wrapper")
    if any(path.startswith("gymnasium.") and path.endswith(".TimeLimit") for wrapper in listed for path in wrapper):
        # SB3 counts the episodes of an evaluation in Monitor, below the wrappers, which never sees this one's end.
        raise ValueError("TimeLimit as a wrapper never ends an evaluation; say env_kwargs: {max_episode_steps: N}")
    return listed
