"""What is said to a user: errors that name the nearest choice, warnings that point at the user's line."""

from __future__ import annotations

import difflib
import inspect
import warnings
from collections.abc import Iterable
from typing import Any

# A warning points at the first frame that belongs to none of these.
PACKAGES = ("sb3_ppo_variants", "stable_baselines3", "sb3_contrib", "torch", "contextlib")


def nearest(name: object, choices: Iterable[str], likeness: float = 0.6) -> str | None:
    """The choice that is spelled most like a name, or None when none is near.

    :param likeness: of those that are near at least, 0 to 1
    """
    return next(iter(difflib.get_close_matches(str(name), list(choices), n=1, cutoff=likeness)), None)


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """``; did you mean x?`` for the nearest choice, or nothing when none is near."""
    near = nearest(name, choices)
    return f"; did you mean {near}?" if near else ""


def one_of(what: str, given: Any, choices: Iterable[str]) -> str:
    """The message for a value that is not among the choices, with the nearest one.

    :param what: the argument's name
    :param given: its value
    :param choices: what is allowed
    """
    names = list(dict.fromkeys(choices))
    near = nearest(given, names)
    hint = f" Did you mean {near!r}?" if near else ""
    return f"{what}={given!r} is not known.{hint} Choices: {', '.join(map(repr, names)) or 'none'}."


# With verbose=1 and in ppo-bench: the first update of a model would else be a long silence.
COMPILES = (
    "compile: native code for the rollout and the update is made when each is first needed, in half a minute or more.  "
    "It is kept in torch's cache (TORCHINDUCTOR_CACHE_DIR), and later runs of the same networks begin at once."
)


def counted(count: int, noun: str) -> str:
    """A number of things: ``1 run``, ``2 runs``.

    :param noun: in the singular, with a plural in s
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def warn_user(message: str) -> None:
    """Warn at the line of the user's code that led here.

    :param message: the warning
    """
    frame, level = inspect.currentframe(), 1
    while frame is not None and str(frame.f_globals.get("__name__")).split(".")[0] in PACKAGES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level - 1 if frame is None else level)


class Warnings:
    """The warnings that a model gives once each."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def once(self, what: str, message: str) -> None:
        """Warn, unless it was done before.

        :param what: it is about
        :param message: the warning
        """
        if what not in self._given:
            self._given.add(what)
            warn_user(message)


def cut(name: str, width: int) -> str:
    """Shorten a name in its middle, because names of a grid differ at their ends.

    :param name: of an arm or an environment
    :param width: characters that there is room for, 3 or more
    """
    if len(name) <= width:
        return name
    end = (width - 1) // 2
    return f"{name[: width - 1 - end]}…{name[len(name) - end :]}"
