"""A trace has no effects: what the traced code changes is put back, and named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sb3_ppo_variants.compiled.snapshot import Snapshot
from sb3_ppo_variants.compiled.unsupported import Ended


@contextmanager
def without_effects(roots: Mapping[str, Any]) -> Iterator[None]:
    """Put back everything that the block changes, also where it is left by an error.

    :param roots: what it can see, as in :class:`.Snapshot`
    :raises Ended: when it changes something: native code would not
    """
    before = Snapshot(roots)
    try:
        yield
        changed = before.changes(Snapshot(roots), effects=True)
    finally:
        before.restore()
    if changed:
        raise Ended(f"the forward pass changes {changed[0]}, which native code would not")
