"""Compiles a model's update and rollout when they are first needed; each part that stays eager draws one warning."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sb3_ppo_variants.compiled.actor import CompiledActor
from sb3_ppo_variants.compiled.step import CompiledStep
from sb3_ppo_variants.compiled.trace import TracedStep
from sb3_ppo_variants.loop.execution import EagerExecution, Step
from sb3_ppo_variants.loop.losses import LossComputation
from sb3_ppo_variants.loop.update import Update
from sb3_ppo_variants.messages import warn_user

T = TypeVar("T")


class Compiler:
    """The execution of a model whose ``compile`` is set, in place of :class:`.loop.execution.EagerExecution`.

    :param algorithm: the model
    :param strict: raise where a part would stay eager
    """

    def __init__(self, algorithm: LossComputation, strict: bool) -> None:
        self._algorithm, self._strict = algorithm, strict
        self._eager = EagerExecution(algorithm)
        self._traced: dict[Any, TracedStep] = {}
        self._actor: CompiledActor | None = None
        self._warned: set[str] = set()

    def step(self, update: Update) -> AbstractContextManager[Step]:
        """A block in which the steps of an update are taken, in native code where that is possible.

        :param update: about to begin
        """
        compiled = self.compile_or_warn(
            "the update", lambda: CompiledStep(self._algorithm, update, self._traced, self.warn_once)
        )
        return self._eager.step(update) if compiled is None else compiled

    def acting(self) -> AbstractContextManager[None]:
        """A block in which a rollout is made, in native code where that is possible."""
        if self._actor is None:
            self._actor = CompiledActor(self._algorithm.policy, self.compile_or_warn)
        return self._actor.acting()

    def compile_or_warn(self, what: str, make: Callable[[], T]) -> T | None:
        """Make something in native code; where that fails warn and return nothing, or raise with ``"strict"``.

        :param what: it stands for
        :param make: makes it
        """
        try:
            return make()
        except Exception as error:
            if self._strict:
                raise
            self.warn_once(f"{what}: {str(error).splitlines()[0]}")
            return None

    def warn_once(self, what: str) -> None:
        """Warn once of what runs in eager mode.

        :param what: and why
        """
        if what not in self._warned:
            self._warned.add(what)
            warn_user(f"compile=True runs in eager mode {what}")
