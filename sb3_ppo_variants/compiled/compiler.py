"""Compiles a model's update and rollout when they are first needed; each part that stays eager draws one warning."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager
from typing import Any

from sb3_contrib import RecurrentPPO

from sb3_ppo_variants.compiled.actor import CompiledActor
from sb3_ppo_variants.compiled.part import Part
from sb3_ppo_variants.compiled.recurrent_rollout import collect_recurrent_rollouts
from sb3_ppo_variants.compiled.rollout import collect_rollouts
from sb3_ppo_variants.compiled.step import CompiledStep
from sb3_ppo_variants.loop.execution import CollectRollouts, EagerExecution, Step
from sb3_ppo_variants.loop.passes import RolloutPasses
from sb3_ppo_variants.loop.update import Update


class Compiler:
    """The execution of a model whose ``compile`` is set, in place of :class:`.loop.execution.EagerExecution`.

    :param algorithm: the model
    :param strict: raise where a part would stay eager
    :raises Unsupported: when it is known before training that a part stays eager
    """

    def __init__(self, algorithm: RolloutPasses, strict: bool) -> None:
        self._algorithm, self._strict = algorithm, strict
        self._eager = EagerExecution(algorithm)
        self._update = Part("the update", strict)
        if strict and algorithm.stays_eager:
            self._update.warn_once(algorithm.stays_eager)
        self._actor = CompiledActor(Part("the rollout", strict))

    def __getstate__(self) -> dict[str, Any]:
        """Copied or pickled without native code, which is found again in the cache."""
        return {"algorithm": self._algorithm, "strict": self._strict}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def step(self, update: Update) -> AbstractContextManager[Step]:
        """A block in which the steps of an update are taken, in native code where that is possible.

        :param update: about to begin
        """
        if self._algorithm.stays_eager:
            self._update.warn_once(self._algorithm.stays_eager)
        elif not self._update.ended:
            try:
                return CompiledStep(self._algorithm, update, self._update)
            except Exception as error:
                self._update.leave(error)
        return self._eager.step(update)

    def collect_rollouts(self, stock: CollectRollouts, *args: Any, **kwargs: Any) -> bool:
        """Collect a rollout, in native code where that is possible.

        :param stock: the method of the stock class
        :param args: of it
        :param kwargs: of it
        """
        if not self._actor.begin(self._algorithm.policy, stock):
            return stock(*args, **kwargs)
        bound = inspect.signature(stock).bind(*args, **kwargs)
        bound.apply_defaults()
        loop = collect_recurrent_rollouts if isinstance(self._algorithm, RecurrentPPO) else collect_rollouts
        return loop(self._algorithm, self._actor, **bound.arguments)
