"""The time of an update's work besides its gradient steps, which the ratios do not show."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.measurements.progress import Step, Tick
from benchmarks.measurements.ratios import START_SECONDS, turns
from benchmarks.measurements.runner import running
from benchmarks.measurements.settings import Setting, setting
from benchmarks.measurements.stable_baselines import StableBaselines
from sb3_ppo_variants import VariantPPO

PARTS = ("copy", "tensors", "pass_for_kl")


class Trainer(StableBaselines):
    """VariantPPO, and the parts of its update one by one.

    :param chosen: the setting
    :param device: of torch
    """

    def __init__(self, chosen: Setting, device: str) -> None:
        arguments: dict[str, Any] = {"seed": 0, "device": device} | chosen.arguments
        super().__init__(VariantPPO(chosen.policy, chosen.vec_env(), **arguments))

    def copy(self) -> None:
        """Of the weights and the optimiser's state, for an update that fails."""
        with self._model._backup.restored_on_error(self._model):
            pass

    def tensors(self) -> None:
        """Of the whole rollout."""
        self._model._whole_rollout()

    def pass_for_kl(self) -> None:
        """The distributions of the whole rollout; an exact KL needs one pass before and one after the update."""
        self._model._rollout_distributions()


def steps(chosen: str, repetitions: int) -> list[Step]:
    """The steps of :func:`measure`.

    :param chosen: name of the setting
    :param repetitions: how often
    """
    used = setting(chosen)
    seconds = used.seconds * used.iterations
    return [Step("start", START_SECONDS + 3 * used.seconds), *[Step("repetition", seconds)] * repetitions]


def measure(chosen: str, repetitions: int, tick: Tick) -> dict[str, Any]:
    """Medians over the repetitions.

    :param chosen: name of the setting
    :param repetitions: how often
    :param tick: told of every step
    """
    with running("beside", chosen) as runner:
        tick("start")
        found = turns({"beside": runner}, ["update", *PARTS], repetitions, tick)["beside"]
    return {"setting": setting(chosen).title} | {
        f"{part}_seconds": float(np.median([time.wall for time in times])) for part, times in found.items()
    }
