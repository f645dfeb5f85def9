"""The update or the rollout: its traces, each for one state of what it sees, and its retreat to eager mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sb3_ppo_variants.compiled.snapshot import Snapshot, torch_settings
from sb3_ppo_variants.compiled.unsupported import Ended, Unsupported
from sb3_ppo_variants.messages import warn_user

T = TypeVar("T")
KEPT = 4


class Part:
    """A part of the training that runs in native code.

    ``ended`` says that it runs in eager mode from now on.

    :param name: as in a warning, "the update" say
    :param strict: raise where it would run in eager mode
    """

    def __init__(self, name: str, strict: bool) -> None:
        self._name, self._strict = name, strict
        self.ended = False
        self._snapshot: Snapshot | None = None
        self._numbers: dict[Any, int] = {}
        self._number = 0
        self._traces: dict[Any, Any] = {}
        self._changed: list[str] = []
        self._uses = self._made = 0
        self._warned: set[str] = set()

    def state(self, roots: Mapping[str, Any]) -> tuple[Any, ...]:
        """What a trace takes for granted of everything that it sees, to be compared with that of another time.

        :param roots: as in :class:`.Snapshot`
        """
        self._uses += 1
        if self._snapshot is None or not self._snapshot.holds(roots):
            new = Snapshot(roots)
            if self._snapshot is not None:
                self._changed = self._snapshot.changes(new) or self._changed
            self._snapshot = new
            self._number = self._numbers.setdefault(new.key, len(self._numbers))
        return (self._number, torch_settings())

    def trace(self, key: Any, make: Callable[[], T]) -> T:
        """The trace for a state, made when there is none yet; the last few are kept.

        :param key: the state, and whatever else the trace takes for granted
        :param make: makes it
        :raises Ended: when the state changes so often that traces are not worth their time
        :raises Exception: whatever ``make`` raises, also when the same trace is asked for again
        """
        if key not in self._traces:
            if self._made > 3 + self._uses // 20:
                what = self._changed[0] if self._changed else "the shape of its inputs"
                raise Ended(f"{what} changes too often for native code of each of its values")
            self._made += 1
            while len(self._traces) >= KEPT:
                del self._traces[next(iter(self._traces))]
            self._traces[key] = _made_or_error(make)
        made: T | Exception = self._traces[key]
        if isinstance(made, Exception):
            raise made.with_traceback(None)
        return made

    def leave(self, error: Exception) -> None:
        """Go on in eager mode and say why, once; raise the error with ``"strict"``.

        :param error: why; only :class:`.Ended` is for good
        """
        if self._strict:
            raise error
        if isinstance(error, Ended):
            self.ended = True
            self._snapshot = None
            self._numbers, self._traces = {}, {}
        reason = (str(error) or type(error).__name__).splitlines()[0]
        self.warn_once(f"{self._name}: {reason}")

    def warn_once(self, what: str) -> None:
        """Warn once of what runs in eager mode; raise an error with ``"strict"``.

        :param what: and why
        :raises Unsupported: with ``"strict"``
        """
        if self._strict:
            raise Unsupported(f"compile='strict' would run in eager mode {what}; use compile=True")
        if what not in self._warned:
            self._warned.add(what)
            warn_user(f"compile=True runs in eager mode {what}")


def _made_or_error(make: Callable[[], T]) -> T | Exception:
    try:
        return make()
    except Exception as error:
        return error
