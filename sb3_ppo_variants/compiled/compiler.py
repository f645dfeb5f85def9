"""What a model has in native code, and what it says when something has to run in eager mode."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from sb3_ppo_variants.compiled.actor import CompiledActor
from sb3_ppo_variants.compiled.step import CompiledStep, StepCompiler
from sb3_ppo_variants.loop.losses import LossComputation
from sb3_ppo_variants.loop.update import Update

T = TypeVar("T")


class Compiler:
    """The native code of a model, made when it is first needed; nothing while its ``compile`` is false.

    :param algorithm: the model
    """

    def __init__(self, algorithm: LossComputation) -> None:
        self._algorithm = algorithm
        self._steps = StepCompiler(algorithm)
        self._actor: CompiledActor | None = None
        self._explained: set[str] = set()

    def step(self, update: Update) -> CompiledStep | None:
        """The step of an update, where it is wanted and possible.

        :param update: about to begin
        """
        if not self._algorithm.compile:
            return None
        return self.attempt("the update", lambda: self._steps.step(update))

    def acting(self) -> AbstractContextManager[None]:
        """A block in which the policy acts in native code, where it is wanted and possible."""
        if not self._algorithm.compile:
            return nullcontext()
        if self._actor is None:
            self._actor = CompiledActor(self._algorithm.policy, self.attempt)
        return self._actor.acting()

    def attempt(self, what: str, make: Callable[[], T]) -> T | None:
        """Make something in native code; say why not and return nothing, or raise with ``compile="strict"``.

        :param what: it stands for
        :param make: makes it
        """
        try:
            return make()
        except Exception as error:
            if self._algorithm.compile == "strict":
                raise
            self.explain(f"{what}: {str(error).splitlines()[0]}")
            return None

    def explain(self, what: str) -> None:
        """Say once what runs in eager mode.

        :param what: and why
        """
        if what not in self._explained:
            self._explained.add(what)
            warnings.warn(f"compile={self._algorithm.compile!r} runs in eager mode {what}", stacklevel=2)
