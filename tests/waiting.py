"""Tests wait for events; a limit is there only so that a hang ends."""

from __future__ import annotations

import time
from collections.abc import Callable

# Seconds. Nothing that works takes a tenth of it, on a loaded machine neither.
PATIENCE = 600.0


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until the condition holds: for what a process does that cannot tell."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
